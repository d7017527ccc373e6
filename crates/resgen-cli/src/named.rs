//! Options whose values have names: the names that configs use too.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use resgen_core::model::NetworkKind;
use resgen_core::nn::Precision;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, IntoDeserializer};

/// Option of the commands whose precision may be chosen.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct PrecisionArgument {
    /// What products and convolutions are computed in: f32, or bf16 (numbers rounded to bfloat16, added up in f32).
    #[arg(long, global = true, value_name = "PRECISION", value_parser = parser::<Precision>(&["f32", "bf16"]))]
    pub precision: Option<Precision>,
}

/// Option of the commands that use a generator that speaks.
#[derive(Clone, Debug, clap::Args)]
pub struct TextEncoderArgument {
    /// The folder of the frozen text encoder that the generator was trained with, where it is no longer the one that the model file names.
    #[arg(long, value_name = "DIR")]
    pub text_encoder: Option<PathBuf>,
}

/// A parser of one of `names`, each the name of a value in configs.
pub fn parser<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names)
        .try_map(|name| T::deserialize(IntoDeserializer::<Error>::into_deserializer(name)))
}

/// A parser of the kinds of generator.
pub fn kind_parser() -> impl TypedValueParser<Value = NetworkKind> {
    parser(&["resgen", "maskgit", "ar-resgen", "rq-transformer"])
}
