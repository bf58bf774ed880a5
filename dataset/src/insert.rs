//! Rows of one table inserted many at a time.
//!
//! A statement of many rows costs a message to SQLite's thread and a step of its machine once, not once a row. Its text depends on
//! the number of rows only through a few fixed sizes, so that the prepared statements are found again in sqlx's cache.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};
use std::sync::{Arc, Mutex};

/// SQLite's default limit of bound values in a statement (SQLITE_MAX_VARIABLE_NUMBER).
const BINDS_MAX: usize = 32_766;
/// Rows a statement, largest first; the last must be 1.
const SIZES: [usize; 4] = [256, 32, 4, 1];

/// A table and the columns that are written.
pub struct Table {
    head: &'static str,
    columns: usize,
    texts: Mutex<[Option<Arc<str>>; SIZES.len()]>,
}

impl Table {
    /// `head` is `INSERT INTO table (columns)`; the number of columns is counted in it.
    pub const fn new(head: &'static str, columns: usize) -> Table {
        assert!(columns * SIZES[0] <= BINDS_MAX, "a statement would have too many values");
        Table { head, columns, texts: Mutex::new([const { None }; SIZES.len()]) }
    }

    /// Inserts all rows, in order.
    pub async fn insert(&self, connection: &mut SqliteConnection, rows: Vec<Row>) -> Result<(), sqlx::Error> {
        let mut rows = rows.into_iter();
        for (index, size) in SIZES.into_iter().enumerate() {
            while rows.len() >= size {
                let mut arguments = SqliteArguments::default();
                arguments.reserve(size * self.columns, 0);
                for row in rows.by_ref().take(size) {
                    debug_assert_eq!(row.0.len(), self.columns, "{}", self.head);
                    for value in row.0 {
                        arguments.add(value).map_err(sqlx::Error::Encode)?;
                    }
                }
                let text = AssertSqlSafe(self.text(index));
                sqlx::query_with(text, arguments).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// The statement of a size.
    fn text(&self, index: usize) -> Arc<str> {
        let mut texts = self.texts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        texts[index]
            .get_or_insert_with(|| {
                let row = format!("({})", vec!["?"; self.columns].join(","));
                format!("{} VALUES {}", self.head, vec![row; SIZES[index]].join(",")).into()
            })
            .clone()
    }
}

/// The values of one row, in the order of the table's columns.
pub struct Row(Vec<Value>);

impl Row {
    /// An empty row with room for `columns` values.
    pub fn with_capacity(columns: usize) -> Row {
        Row(Vec::with_capacity(columns))
    }

    /// Appends a text.
    pub fn text(mut self, value: impl Into<String>) -> Row {
        self.0.push(Value::Text(value.into()));
        self
    }

    /// Appends a text or null.
    pub fn maybe_text(mut self, value: Option<String>) -> Row {
        self.0.push(value.map_or(Value::Null, Value::Text));
        self
    }

    /// Appends an integer.
    pub fn integer(mut self, value: impl Into<i64>) -> Row {
        self.0.push(Value::Integer(value.into()));
        self
    }

    /// Appends an unsigned integer: the same bits, signed.
    pub fn unsigned(self, value: u64) -> Row {
        self.integer(value.cast_signed())
    }

    /// Appends a number or null.
    pub fn real(mut self, value: Option<f64>) -> Row {
        self.0.push(value.map_or(Value::Null, Value::Real));
        self
    }

    /// Appends bytes.
    pub fn blob(mut self, value: Vec<u8>) -> Row {
        self.0.push(Value::Blob(value));
        self
    }
}

enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Type<Sqlite> for Value {
    fn type_info() -> sqlx::sqlite::SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Value {
    fn encode(
        self,
        buffer: &mut sqlx::sqlite::SqliteArgumentsBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        match self {
            Value::Null => Ok(sqlx::encode::IsNull::Yes),
            Value::Integer(value) => value.encode(buffer),
            Value::Real(value) => value.encode(buffer),
            Value::Text(value) => value.encode(buffer),
            Value::Blob(value) => value.encode(buffer),
        }
    }

    fn encode_by_ref(
        &self,
        buffer: &mut sqlx::sqlite::SqliteArgumentsBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        match self {
            Value::Null => Ok(sqlx::encode::IsNull::Yes),
            Value::Integer(value) => value.encode_by_ref(buffer),
            Value::Real(value) => value.encode_by_ref(buffer),
            Value::Text(value) => value.encode_by_ref(buffer),
            Value::Blob(value) => value.encode_by_ref(buffer),
        }
    }
}
