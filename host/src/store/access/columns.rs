//! How values are written in the columns of a table.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use crate::principal::{Backends, Meaning, Scope};

/// The value for every backend. Names with their meanings begin with a brace.
const ALL: &str = "all";

/// A time, to the second.
pub(super) fn seconds(time: SystemTime) -> i64 {
    whole(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A length of time, to the second.
pub(super) fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The time that is written as `seconds`.
pub(super) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// A client's address as text: a v4 address has the same text, whether or not it came in the form of a v6 one.
pub(super) fn address(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

/// A list of texts.
pub(super) struct List(pub(super) Vec<String>);

impl ToSql for List {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        json(&self.0)
    }
}

impl FromSql for List {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let list = serde_json::from_str(value.as_str()?);
        list.map(Self).map_err(|error| FromSqlError::Other(error.into()))
    }
}

impl ToSql for Scope {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for Scope {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let scope = value.as_str()?.parse();
        scope.map_err(|unknown: crate::principal::UnknownScope| FromSqlError::Other(unknown.into()))
    }
}

impl ToSql for Backends {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::All => Ok(ALL.into()),
            Self::Only(names) => json(names),
        }
    }
}

impl FromSql for Backends {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            ALL => Ok(Self::All),
            named => {
                let named: BTreeMap<String, Option<Meaning>> =
                    serde_json::from_str(named).map_err(|error| FromSqlError::Other(error.into()))?;
                // What is not bound yet means nothing that there is.
                let named = named
                    .into_iter()
                    .map(|(name, meaning)| (name, meaning.unwrap_or_default()));
                Ok(Self::Only(named.collect()))
            }
        }
    }
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<ToSqlOutput<'static>> {
    let text = serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    Ok(text.into())
}
