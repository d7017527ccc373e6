//! A network's parameters by name: to save and load them, and to walk over them in one fixed order.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::digest;
use crate::error::{Error, Result};

/// A parameter's name and its values, read back from the device.
pub type NamedTensors = BTreeMap<String, TensorData>;

/// A hash of names, shapes and values, the same whatever file they are in (as long as its rounding is).
pub fn fingerprint(tensors: &NamedTensors) -> String {
    let mut hasher = Sha256::new();
    for (name, data) in tensors {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(format!("{:?}", data.shape()));
        for value in data.iter::<f32>() {
            hasher.update(value.to_le_bytes());
        }
    }
    digest::short(hasher)
}

/// The dotted names and shapes of a module's parameters, in the order every function here walks them.
pub fn names_and_shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    struct Shapes(Path, Vec<(String, Vec<usize>)>);
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.leave();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push((self.0.name(), param.lazy_shape().to_vec()));
        }
    }
    let mut shapes = Shapes(Path::default(), Vec::new());
    module.visit(&mut shapes);
    shapes.1
}

/// The most parameters of one network: beyond it no machine that this runs on would hold the training.
const MOST: usize = 1 << 34;

/// Makes sure that a network, still blank, is one that can be made.
///
/// # Errors
/// [`Error::Config`] names `key`, the section of the config with the network's sizes.
pub fn expect_possible<M: Module>(blank: &M, key: &str) -> Result<()> {
    let sizes = names_and_shapes(blank).into_iter().map(|(_, shape)| shape.iter().product::<usize>());
    match sizes.sum::<usize>() {
        count if count > MOST => Err(Error::config(
            key,
            format!("these sizes make {count} parameters; at most {MOST} can be made"),
        )),
        _ => Ok(()),
    }
}

/// Reads every parameter back from its device.
pub fn read<M: Module>(module: &M) -> NamedTensors {
    struct Reader(Path, NamedTensors);
    impl ModuleVisitor for Reader {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.leave();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.name(), param.val().into_data());
        }
    }
    let mut reader = Reader(Path::default(), NamedTensors::new());
    module.visit(&mut reader);
    reader.1
}

/// Replaces every parameter of `module` by the tensor of its name.
///
/// # Errors
/// [`Error::Mismatch`] names the first parameter that is missing or has another shape. Tensors that the
/// module does not have are left alone: `tensors` may hold several modules under prefixes.
pub fn load<M: Module>(module: M, tensors: &NamedTensors, prefix: &str) -> Result<M> {
    struct Loader<'a>(Path, &'a NamedTensors, &'a str, Option<Error>);
    impl ModuleMapper for Loader<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.leave();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = format!("{}{}", self.2, self.0.name());
            let expected = param.lazy_shape();
            let Some(data) = self.1.get(&name) else {
                self.3.get_or_insert(Error::mismatch(
                    format!("tensor `{name}`"),
                    format!("{expected:?}"),
                    "none",
                ));
                return param;
            };
            if *data.shape() != expected {
                let error = Error::mismatch(
                    format!("tensor `{name}`"),
                    format!("{expected:?}"),
                    format!("{:?}", data.shape()),
                );
                self.3.get_or_insert(error);
                return param;
            }
            // Not through its value: a blank parameter has none, and takes no memory before this.
            let (tensor, id) = (Tensor::from_data(data.clone(), &param.lazy_device()), param.id);
            param.transform_for_load(tensor, id)
        }
    }
    let mut loader = Loader(Path::default(), tensors, prefix, None);
    let module = module.map(&mut loader);
    loader.3.map_or(Ok(module), Err)
}

/// Every parameter as a flat vector on its device.
pub fn flat<M: Module>(module: &M) -> Vec<Tensor<1>> {
    struct Flat(Vec<Tensor<1>>);
    impl ModuleVisitor for Flat {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(flatten(param.val()));
        }
    }
    let mut visitor = Flat(Vec::new());
    module.visit(&mut visitor);
    visitor.0
}

/// Replaces the parameters by flat vectors in the order of [`flat`].
pub fn with_flat<M: Module>(module: M, values: Vec<Tensor<1>>) -> M {
    struct Unflat(std::vec::IntoIter<Tensor<1>>);
    impl ModuleMapper for Unflat {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match self.0.next() {
                Some(value) => param.map(|tensor| value.reshape(tensor.shape())),
                None => param,
            }
        }
    }
    module.map(&mut Unflat(values.into_iter()))
}

/// The gradients of `module`'s parameters as flat vectors in the order of [`flat`]; zeros where a
/// parameter took no part in the loss.
pub fn take_gradients<M: Module>(module: &M, gradients: &mut Gradients) -> Vec<Tensor<1>> {
    struct Taker<'a>(&'a mut Gradients, Vec<Tensor<1>>);
    impl ModuleVisitor for Taker<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let gradient = value.grad_remove(self.0);
            self.1.push(gradient.map_or_else(|| flatten(value.without_autodiff().zeros_like()), flatten));
        }
    }
    let mut taker = Taker(gradients, Vec::new());
    module.visit(&mut taker);
    taker.1
}

fn flatten<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    tensor.reshape([count])
}

/// Where a walk stands in the tree of modules.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn enter(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    fn leave(&mut self) {
        self.0.pop();
    }

    fn name(&self) -> String {
        self.0.join(".")
    }
}
