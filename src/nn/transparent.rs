//! Modules that are one of several, without a name for which in the paths.

/// Makes an enum whose variants each hold a module a module itself. A derived one would put the variant's name into the paths of
/// parameters; here the paths are those of what is inside.
macro_rules! transparent {
    ($type:ident { $($variant:ident),+ $(,)? }) => {
        impl burn::module::Module for $type {
            fn collect_devices(&self, devices: burn::module::Devices) -> burn::module::Devices {
                match self { $(Self::$variant(inner) => inner.collect_devices(devices)),+ }
            }

            fn fork(self, device: &burn::tensor::Device) -> Self {
                match self { $(Self::$variant(inner) => Self::$variant(inner.fork(device))),+ }
            }

            fn to_device(self, device: &burn::tensor::Device) -> Self {
                match self { $(Self::$variant(inner) => Self::$variant(inner.to_device(device))),+ }
            }

            fn train(self) -> Self {
                match self { $(Self::$variant(inner) => Self::$variant(inner.train())),+ }
            }

            fn valid(&self) -> Self {
                match self { $(Self::$variant(inner) => Self::$variant(inner.valid())),+ }
            }

            fn materialize(self) -> Self {
                match self { $(Self::$variant(inner) => Self::$variant(inner.materialize())),+ }
            }

            fn visit<V: burn::module::ModuleVisitor>(&self, visitor: &mut V) {
                match self { $(Self::$variant(inner) => inner.visit(visitor)),+ }
            }

            fn map<M: burn::module::ModuleMapper>(self, mapper: &mut M) -> Self {
                match self { $(Self::$variant(inner) => Self::$variant(inner.map(mapper))),+ }
            }
        }

        impl burn::module::ModuleDisplayDefault for $type {
            fn content(&self, content: burn::module::Content) -> Option<burn::module::Content> {
                match self { $(Self::$variant(inner) => inner.content(content)),+ }
            }
        }

        impl burn::module::ModuleDisplay for $type {}
    };
}

pub(crate) use transparent;
