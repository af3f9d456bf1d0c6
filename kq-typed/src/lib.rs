//! kq-typed
