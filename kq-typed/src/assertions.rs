//! What can be sent and shared, checked when the crate is compiled.

use crate::*;

const fn send_and_sync<T: Send + Sync>() {}

/// `T: Send` is all that is asked of a value at the typed door.
#[allow(dead_code)] // compiled, not called
const fn typed<T: Send>() {
    send_and_sync::<Queue<T>>();
    send_and_sync::<Registration<T>>();
    send_and_sync::<ReadyBuffer<T>>();
    send_and_sync::<Ready<'_, T>>();
    send_and_sync::<Batch<'_, T>>();
}

const _: () = {
    send_and_sync::<Kqueue>();
    send_and_sync::<Event>();
    send_and_sync::<Events>();
    send_and_sync::<EventsIter<'_>>();
    send_and_sync::<EventsIntoIter>();
    send_and_sync::<EventFilter>();
    send_and_sync::<EventFlags>();
    send_and_sync::<Target>();
    send_and_sync::<Key>();
    send_and_sync::<Waker>();
    send_and_sync::<Watcher>();
};
