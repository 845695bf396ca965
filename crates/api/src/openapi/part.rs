//! Parts of a document that the derived schemas cannot say.

use std::collections::BTreeMap;
use utoipa::openapi::{
    Object, ObjectBuilder, Ref, RefOr, Type,
    content::ContentBuilder,
    response::{Response, ResponseBuilder},
};

/// Answers with these statuses and descriptions, all with a body of the schema
/// of this name.
pub(crate) fn refusals(
    schema: &str,
    refusals: &[(u16, &str)],
) -> BTreeMap<String, RefOr<Response>> {
    let body = || ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    refusals
        .iter()
        .map(|(status, description)| {
            let response = ResponseBuilder::new()
                .description(*description)
                .content("application/json", body());
            (status.to_string(), response.build().into())
        })
        .collect()
}

/// A text that must be one of these.
pub(crate) fn one_of(names: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}
