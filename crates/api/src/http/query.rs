//! Strict reading of query strings.

use crate::http::error::ApiError;

/// The parameters of a query string that a route knows.
pub(crate) struct Query {
    parameters: Vec<(&'static str, String)>,
}

impl Query {
    /// Reads a query string. Unknown parameters are ignored, and so are known
    /// ones with an empty value: HTTP libraries send `status=` for an unset
    /// filter.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] when anything in it is badly escaped, not UTF-8
    /// or a NUL, or a known parameter has two values.
    pub(crate) fn read(text: &str, known: &[&'static str]) -> Result<Self, ApiError> {
        let mut parameters: Vec<(&'static str, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            let Some(&name) = known.iter().find(|known| **known == name) else { continue };
            if value.is_empty() {
                continue;
            }
            if parameters.iter().any(|(seen, _)| *seen == name) {
                return Err(ApiError::invalid(format!("Parameter {name} is given twice")));
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter, never empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an integer parameter: an optional minus sign and digits.
    ///
    /// # Errors
    /// The given one, when the value is anything else or leaves 64 bits.
    pub(crate) fn integer(&self, name: &str, error: ApiError) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            // `parse` would also take a plus sign.
            Some(text) if text.starts_with('+') => Err(error),
            Some(text) => text.parse().map(Some).map_err(|_| error),
        }
    }
}

/// Undoes form encoding.
fn decode(text: &str) -> Result<String, ApiError> {
    let malformed = || ApiError::invalid("Invalid query string");
    let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (hex(bytes.next()), hex(bytes.next()));
                let (high, low) = high.zip(low).ok_or_else(malformed)?;
                u8::try_from(high * 16 + low).map_err(|_| malformed())?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains('\0')).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::{Query, decode};
    use crate::http::error::ApiError;
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    const KNOWN: [&str; 2] = ["limit", "status"];

    #[test]
    fn an_empty_value_is_absent() {
        let query = Query::read("status=&limit=5&&other=1", &KNOWN).unwrap();
        assert_eq!((query.get("status"), query.get("limit")), (None, Some("5")));
        assert_eq!(query.get("other"), None);
    }

    #[test]
    fn what_is_not_clean_text_is_refused() {
        for text in ["status=%FF", "status=%00", "status=%", "status=%4", "status=%zz", "%FF=1"] {
            assert!(Query::read(text, &KNOWN).is_err(), "{text}");
        }
        assert!(Query::read("limit=1&limit=1", &KNOWN).is_err());
        assert!(Query::read("other=1&other=2", &KNOWN).is_ok());
    }

    #[test]
    fn integers_are_digits_that_fit() {
        let read = |text: &str| {
            Query::read(text, &KNOWN).unwrap().integer("limit", ApiError::Unauthorized).ok()
        };
        assert_eq!(read("limit=-5"), Some(Some(-5)));
        assert_eq!(read("status=x"), Some(None));
        for text in
            ["limit=%2B5", "limit=1.0", "limit=0x1", "limit=1+", "limit=99999999999999999999"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn escaping_every_byte_changes_nothing(text in any::<String>()) {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let expected = (!text.contains('\0')).then_some(text);
            prop_assert_eq!(decode(&escaped).ok(), expected);
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            drop(Query::read(&text, &KNOWN));
        }
    }
}
