//! kq
