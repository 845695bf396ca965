//! Error answers that many routes have in common.

use std::collections::BTreeMap;
use utoipa::openapi::{
    Ref, RefOr,
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
