//! Parquet with zstd: rows of JSON taken apart into columns (Dremel's repetition and definition levels), a row group at a time.
//!
//! Only the core of the `parquet` crate is used: its `arrow` part and `arrow-json` would take three times as long to build as this file
//! and the core together. Every value may be missing, lists have the three levels that the format's specification asks for. The bytes
//! depend on the rows alone.

use super::atomic::AtomicFile;
use super::columns::{Column, Kind};
use crate::error::{Error, Result};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of JSON a row group, before they are compressed: what is held in memory.
const GROUP_BYTES: usize = 32 << 20;

/// A Parquet file being written.
pub struct ParquetFile {
    writer: SerializedFileWriter<AtomicFile>,
    columns: Vec<Column>,
    leaves: Vec<Leaf>,
    held: usize,
    path: PathBuf,
}

/// The values of one column of leaves in the present row group.
struct Leaf {
    values: Values,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

enum Values {
    Texts(Vec<ByteArray>),
    Integers(Vec<i64>),
    Reals(Vec<f64>),
    Flags(Vec<bool>),
}

impl ParquetFile {
    /// Begins a file with these columns.
    pub fn new(file: AtomicFile, path: PathBuf, columns: Vec<Column>) -> Result<ParquetFile> {
        let fail = |e: ParquetError| fault(&path, &e);
        let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>().map_err(fail)?;
        let schema = Type::group_type_builder("row").with_fields(fields).build().map_err(fail)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("terrarium ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(fail)?;
        let mut leaves = Vec::new();
        columns.iter().for_each(|column| make_leaves(&column.kind, &mut leaves));
        Ok(ParquetFile { writer, columns, leaves, held: 0, path })
    }

    /// Appends a row of JSON.
    pub fn append(&mut self, line: &[u8]) -> Result<()> {
        let row: Value = serde_json::from_slice(line).expect("rows are JSON that we wrote");
        let mut rest = self.leaves.as_mut_slice();
        for column in &self.columns {
            let (leaves, others) = rest.split_at_mut(leaf_count(&column.kind));
            take_apart(&column.kind, row.get(column.name).unwrap_or(&Value::Null), 0, 0, 0, leaves);
            rest = others;
        }
        self.held += line.len();
        if self.held >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    /// Puts the file in its place; gives its size.
    pub fn finish(mut self) -> Result<u64> {
        if self.held > 0 {
            self.write_group()?;
        }
        self.writer.into_inner().map_err(|e| fault(&self.path, &e))?.finish()
    }

    fn write_group(&mut self) -> Result<()> {
        let path = self.path.clone();
        let fail = |e: ParquetError| fault(&path, &e);
        let mut group = self.writer.next_row_group().map_err(fail)?;
        for leaf in &mut self.leaves {
            let mut column = group.next_column().map_err(fail)?.expect("there is a leaf for each column");
            leaf.write(&mut column).map_err(fail)?;
            column.close().map_err(fail)?;
        }
        group.close().map_err(fail)?;
        self.held = 0;
        Ok(())
    }
}

fn fault(path: &std::path::Path, error: &ParquetError) -> Error {
    Error::Io { path: path.to_path_buf(), detail: error.to_string() }
}

impl Leaf {
    fn null(&mut self, definition: i16, repetition: i16) {
        self.definitions.push(definition);
        self.repetitions.push(repetition);
    }

    fn put(&mut self, value: &Value, definition: i16, repetition: i16) {
        // A value of another type than its column's would be a mistake of a format; it is missing then, and the tests see it.
        let taken = match (&mut self.values, value) {
            (Values::Texts(values), Value::String(text)) => {
                values.push(ByteArray::from(text.as_str()));
                true
            }
            (Values::Integers(values), value) => value.as_i64().map(|n| values.push(n)).is_some(),
            (Values::Reals(values), value) => value.as_f64().map(|x| values.push(x)).is_some(),
            (Values::Flags(values), value) => value.as_bool().map(|b| values.push(b)).is_some(),
            _ => false,
        };
        self.null(if taken { definition } else { definition - 1 }, repetition);
    }

    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let (definitions, repetitions) = (Some(self.definitions.as_slice()), Some(self.repetitions.as_slice()));
        match &mut self.values {
            Values::Texts(values) => {
                column.typed::<ByteArrayType>().write_batch(values, definitions, repetitions)?;
                values.clear();
            }
            Values::Integers(values) => {
                column.typed::<Int64Type>().write_batch(values, definitions, repetitions)?;
                values.clear();
            }
            Values::Reals(values) => {
                column.typed::<DoubleType>().write_batch(values, definitions, repetitions)?;
                values.clear();
            }
            Values::Flags(values) => {
                column.typed::<BoolType>().write_batch(values, definitions, repetitions)?;
                values.clear();
            }
        }
        self.definitions.clear();
        self.repetitions.clear();
        Ok(())
    }
}

/// The schema of a column.
fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    type_of(column.name, &column.kind)
}

fn type_of(name: &str, kind: &Kind) -> Result<TypePtr, ParquetError> {
    let plain = |physical, converted| {
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(converted)
            .build()
    };
    let built = match kind {
        Kind::Text => plain(Physical::BYTE_ARRAY, ConvertedType::UTF8)?,
        Kind::Integer => plain(Physical::INT64, ConvertedType::NONE)?,
        Kind::Real => plain(Physical::DOUBLE, ConvertedType::NONE)?,
        Kind::Flag => plain(Physical::BOOLEAN, ConvertedType::NONE)?,
        Kind::Group(fields) => Type::group_type_builder(name)
            .with_repetition(Repetition::OPTIONAL)
            .with_fields(fields.iter().map(field).collect::<Result<_, _>>()?)
            .build()?,
        Kind::List(element) => {
            let entries = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![type_of("element", element)?])
                .build()?;
            Type::group_type_builder(name)
                .with_repetition(Repetition::OPTIONAL)
                .with_converted_type(ConvertedType::LIST)
                .with_fields(vec![Arc::new(entries)])
                .build()?
        }
    };
    Ok(Arc::new(built))
}

fn make_leaves(kind: &Kind, leaves: &mut Vec<Leaf>) {
    let values = match kind {
        Kind::Text => Values::Texts(Vec::new()),
        Kind::Integer => Values::Integers(Vec::new()),
        Kind::Real => Values::Reals(Vec::new()),
        Kind::Flag => Values::Flags(Vec::new()),
        Kind::List(element) => return make_leaves(element, leaves),
        Kind::Group(fields) => return fields.iter().for_each(|f| make_leaves(&f.kind, leaves)),
    };
    leaves.push(Leaf { values, definitions: Vec::new(), repetitions: Vec::new() });
}

/// Puts a value into the leaves of its type. `definition` is how many optional and repeated levels above are there, `repetition` the
/// level that repeats with this value, `depth` the number of lists around it.
fn take_apart(kind: &Kind, value: &Value, definition: i16, repetition: i16, depth: i16, leaves: &mut [Leaf]) {
    match (kind, value) {
        (Kind::Group(fields), Value::Object(object)) => {
            let mut rest = leaves;
            for field in fields {
                let (of_field, others) = rest.split_at_mut(leaf_count(&field.kind));
                let value = object.get(field.name).unwrap_or(&Value::Null);
                take_apart(&field.kind, value, definition + 1, repetition, depth, of_field);
                rest = others;
            }
        }
        (Kind::List(element), Value::Array(items)) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                let repetition = if n == 0 { repetition } else { depth + 1 };
                take_apart(element, item, definition + 2, repetition, depth + 1, leaves);
            }
        }
        (Kind::List(_), value) => {
            let there = i16::from(value.is_array());
            leaves.iter_mut().for_each(|leaf| leaf.null(definition + there, repetition));
        }
        (Kind::Group(_), _) | (_, Value::Null) => leaves.iter_mut().for_each(|leaf| leaf.null(definition, repetition)),
        (_, value) => leaves[0].put(value, definition + 1, repetition),
    }
}

fn leaf_count(kind: &Kind) -> usize {
    match kind {
        Kind::List(element) => leaf_count(element),
        Kind::Group(fields) => fields.iter().map(|f| leaf_count(&f.kind)).sum(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, Row};
    use serde_json::json;

    fn object(row: &Row) -> Value {
        Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect())
    }

    fn value(field: &Field) -> Value {
        match field {
            Field::Null => Value::Null,
            Field::Bool(flag) => json!(flag),
            Field::Long(number) => json!(number),
            Field::Double(number) => json!(number),
            Field::Str(text) => json!(text),
            Field::Group(row) => object(row),
            Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_come_back_equal() {
        let call = vec![
            Column::new("id", Kind::Text),
            Column::new("function", Kind::Group(Column::texts(["name", "arguments"]))),
        ];
        let message = vec![Column::new("role", Kind::Text), Column::new("calls", Kind::groups(call))];
        let columns = vec![
            Column::new("messages", Kind::groups(message)),
            Column::new("ids", Kind::List(Box::new(Kind::Integer))),
            Column::new("reward", Kind::Real),
            Column::new("good", Kind::Flag),
            Column::new("sample", Kind::Integer),
        ];
        let call = |n: u32| json!({"id": format!("c{n}"), "function": {"name": "f", "arguments": "{\"ü\": 1}"}});
        let rows = [
            json!({"messages": [{"role": "user", "calls": null}, {"role": "assistant", "calls": [call(0), call(1)]}, {"role": "tool", "calls": []}], "ids": [1, 2, 3], "reward": 0.5, "good": true, "sample": 1}),
            json!({"messages": [], "ids": [], "reward": null, "good": false, "sample": -2}),
            json!({"messages": null, "ids": null, "reward": 1.0, "good": null, "sample": 3}),
            json!({"messages": [{"role": null, "calls": [call(2)]}], "ids": [null, 4], "reward": 0.0, "good": true, "sample": null}),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.parquet");
        let mut file =
            ParquetFile::new(AtomicFile::create(dir.path(), "rows.parquet").unwrap(), path.clone(), columns).unwrap();
        for row in &rows {
            file.append(row.to_string().as_bytes()).unwrap();
        }
        let bytes = file.finish().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let read: Vec<Value> = reader.get_row_iter(None).unwrap().map(|row| object(&row.unwrap())).collect();
        assert_eq!(read, rows);
    }
}
