//! Options whose values have names: the names that configs use too.

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
