//! `Udata`: a value of any type, or none, with the name of its type for `Debug`.

use std::any::{type_name, Any};
use std::fmt;
use std::sync::Arc;

/// What a registration of the dynamic door carries.
#[derive(Clone)]
pub(crate) struct Udata {
    value: Option<Arc<Named<dyn Any + Send + Sync>>>,
}

struct Named<V: ?Sized> {
    type_name: &'static str,
    value: V,
}

impl Udata {
    pub(crate) fn new<T: Any + Send + Sync>(value: Option<T>) -> Udata {
        let named = |value| Arc::new(Named { type_name: type_name::<T>(), value }) as Arc<Named<_>>;
        Udata { value: value.map(named) }
    }

    #[inline]
    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.value.as_ref()?.value.downcast_ref()
    }
}

/// The type's name: of the value itself nothing is known.
impl fmt::Debug for Udata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.value.as_ref().map_or("none", |named| named.type_name))
    }
}
