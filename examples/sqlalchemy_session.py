"""One transaction for ORM rows and log entries: they commit together or vanish together, on SQLite and PostgreSQL.

    python examples/sqlalchemy_session.py                                    # an SQLite file, thrown away at the end
    python examples/sqlalchemy_session.py sqlite:///app.db
    python examples/sqlalchemy_session.py postgresql+psycopg://me@host/app

Needs sqlalchemy, and for PostgreSQL agent-store[postgres].
"""

import json
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import agent_store


class Base(DeclarativeBase):
    """The program's own tables."""


class Order(Base):
    """What the program knows now; the log tells how it came to be."""

    __tablename__ = "orders"

    number: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    amount: Mapped[int]
    position: Mapped[int]


class OutOfStock(Exception):
    """The order cannot be filled."""


def store_of(session: Session) -> agent_store.Store:
    """The store on the very connection that the session's transaction is on.

    Of a session, for as long as its transaction: the pool gives the next one another connection. On a database that is
    set up this costs one SELECT. The connection stays SQLAlchemy's, which commits it or rolls it back.
    """
    connection = session.connection().connection.driver_connection
    assert connection is not None
    return agent_store.open(connection)


def place(session: Session, number: int, item: str, amount: int) -> None:
    """An order and its entry, in whatever transaction the session is in."""
    told = json.dumps({"number": number, "item": item, "amount": amount}).encode()
    entry = store_of(session).log("orders", "shop-1").append(told)
    session.add(Order(number=number, item=item, amount=amount, position=entry.position))
    session.flush()
    if amount > 99:
        raise OutOfStock(item)


def tell(engine: sa.Engine) -> None:
    """What is there, in both."""
    with Session(engine) as session:
        store = store_of(session)
        for order in session.scalars(sa.select(Order).order_by(Order.number)):
            print(f"order {order.number}: {order.amount} x {order.item}, entry at position {order.position}")
        logged = [entry.position for entry in store.entries(stream="orders")]
        ordered = session.scalars(sa.select(Order.position).order_by(Order.position)).all()
        print(f"{len(ordered)} orders, {len(logged)} entries, the same: {list(ordered) == logged}")
        print(f"the chains hold: {store.verify().holds}")


def main(url: str) -> None:
    """Two orders that go through, and two that do not."""
    engine = sa.create_engine(url)
    try:
        with Session(engine) as session, session.begin():
            store_of(session)  # The store's tables, where there are none yet.
        Base.metadata.create_all(engine)
        with Session(engine) as session, session.begin():
            place(session, 1, "teapot", 2)
            place(session, 2, "cup", 12)
        try:
            with Session(engine) as session, session.begin():
                place(session, 3, "saucer", 12)
                place(session, 4, "cup", 100)  # Too many: order 3 goes with it.
        except OutOfStock as error:
            print(f"not enough: {error}")
        with Session(engine) as session, session.begin():
            try:
                with session.begin_nested():  # A savepoint: only what is in it is taken back.
                    place(session, 5, "spoon", 100)
            except OutOfStock as error:
                print(f"not enough: {error}")
            place(session, 6, "spoon", 6)
        tell(engine)
    finally:
        engine.dispose()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(f"sqlite:///{Path(folder) / 'app.db'}")
