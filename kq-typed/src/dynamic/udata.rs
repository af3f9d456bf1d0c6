//! `Udata`: a value of any type, or none, with the name of its type for `Debug`.

use std::any::{type_name, Any};
use std::fmt;
use std::sync::Arc;

/// What a registration of the dynamic door carries.
#[derive(Clone)]
pub(crate) struct Udata {
    value: Option<Arc<dyn Value>>,
}

trait Value: Any + Send + Sync {
    fn as_any(&self) -> &(dyn Any + Send + Sync);
    fn type_name(&self) -> &'static str;
}

impl<T: Any + Send + Sync> Value for T {
    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

impl Udata {
    pub(crate) fn new<T: Any + Send + Sync>(value: Option<T>) -> Udata {
        Udata { value: value.map(|value| Arc::new(value) as Arc<dyn Value>) }
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        // Through the `Arc`: it is a `Value` itself.
        (**self.value.as_ref()?).as_any().downcast_ref()
    }
}

/// The type's name: of the value itself nothing is known.
impl fmt::Debug for Udata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => f.write_str((**value).type_name()),
            None => f.write_str("none"),
        }
    }
}
