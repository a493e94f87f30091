//! One thread for all event loops of the process that wait at a database: it sleeps as any who waits, and sets their
//! descriptors. It knows nothing of Python.

use std::sync::{Arc, Mutex, Weak};
use std::thread;

use super::waiter::Inner;
use super::{Bell, lock};
use crate::error::{Error, Result};
use crate::os::fork;

#[derive(Default)]
pub struct Watcher(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    waiters: Vec<Weak<Inner>>,
    running: bool,
}

impl Watcher {
    /// Those who still wait; `None` where nobody does, and the thread is over.
    fn waiters(&self) -> Option<Vec<Arc<Inner>>> {
        let mut watched = lock(&self.0);
        let waiters: Vec<_> = watched.waiters.iter().filter_map(|waiter| waiter.upgrade()).collect();
        let waiters: Vec<_> = waiters.into_iter().filter(|waiter| !waiter.is_stopped()).collect();
        watched.waiters = waiters.iter().map(Arc::downgrade).collect();
        watched.running = !waiters.is_empty();
        watched.running.then_some(waiters)
    }

    pub fn set_all(&self) {
        let waiters: Vec<_> = lock(&self.0).waiters.iter().filter_map(|waiter| waiter.upgrade()).collect();
        for waiter in waiters {
            waiter.set();
        }
    }
}

impl Bell {
    /// Have the descriptor of this one set at each ring.
    pub fn watch(self: &Arc<Self>, waiter: &Arc<Inner>) -> Result<()> {
        // What is rung after this is another number to the thread; the descriptor is set already.
        let seen = self.look();
        let mut watched = lock(&self.watcher.0);
        watched.waiters.push(Arc::downgrade(waiter));
        if !watched.running {
            let bell = Arc::clone(self);
            let begun = thread::Builder::new().name("agent-store-bell".into()).spawn(move || {
                fork::inside(|| {
                    run(&bell, seen);
                    drop(bell);
                });
            });
            begun.map_err(|error| Error::Backend(format!("the system gives no thread to watch with ({error})")))?;
            watched.running = true;
        }
        Ok(())
    }
}

fn run(bell: &Arc<Bell>, mut last: u64) {
    loop {
        // First, so that what is rung from here on is another number; those who come meanwhile are set already.
        let seen = bell.look();
        if last != seen {
            bell.watcher.set_all();
        }
        last = seen;
        let Some(waiters) = bell.watcher.waiters() else { return };
        for waiter in waiters.iter().filter(|waiter| waiter.fails()) {
            waiter.set();
        }
        bell.look_after(waiters.iter().any(|waiter| !waiter.pool.settings.read_only));
        drop(waiters);
        // Half as often as who hears signals: nobody sends it any.
        bell.sleep(seen, bell.slice() * 2);
    }
}
