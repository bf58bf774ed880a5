//! The core module of a suite while it is being emitted, and its assembly.

use super::data::Image;
use super::dicts::{self, DictOperation};
use super::emitter::Emitter;
use super::layout::Layouts;
use super::reach::Reach;
use super::runtime::{Helper, Runtime};
use super::tables::{self, TableOperation};
use crate::error::Result;
use crate::suite::Suite;
use crate::surface::Surface;
use crate::types::FunctionId;
use std::collections::HashMap;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, FunctionSection, MemorySection,
    MemoryType, TypeSection, ValType,
};

/// Everything the emitters of functions share.
pub(crate) struct Module<'a> {
    pub suite: &'a Suite,
    pub surface: &'a Surface,
    pub layouts: Layouts<'a>,
    pub reach: Reach,
    pub image: Image,
    runtime: &'static Runtime,
    helpers_used: Vec<bool>,
    types: Vec<(Vec<ValType>, Vec<ValType>)>,
    type_indexes: HashMap<(Vec<ValType>, Vec<ValType>), u32>,
    /// Functions after the helpers: type and, once emitted, body.
    functions: Vec<(u32, Option<Vec<u8>>)>,
    suite_functions: Vec<Option<u32>>,
    table_operations: Vec<(TableOperation, u32)>,
    dict_operations: Vec<(DictOperation, u32)>,
    exports: Vec<(String, u32)>,
}

impl<'a> Module<'a> {
    pub fn new(
        suite: &'a Suite,
        surface: &'a Surface,
        layouts: Layouts<'a>,
        reach: Reach,
        image: Image,
    ) -> Result<Module<'a>> {
        let runtime = Runtime::get()?;
        let types = runtime.types.clone();
        let type_indexes = types.iter().cloned().zip(0..).collect();
        let mut module = Module {
            suite,
            surface,
            layouts,
            reach,
            image,
            runtime,
            helpers_used: vec![false; runtime.len() as usize],
            types,
            type_indexes,
            functions: Vec::new(),
            suite_functions: vec![None; suite.functions.len()],
            table_operations: Vec::new(),
            dict_operations: Vec::new(),
            exports: Vec::new(),
        };
        for index in module.reach.functions.clone() {
            let function = &suite.functions[index];
            let parameters = function.parameters.iter().flat_map(|p| module.layouts.flat(&p.ty)).collect();
            let mut results = module.layouts.flat(&function.returns);
            results.push(ValType::I32);
            module.suite_functions[index] = Some(module.declare(parameters, results));
        }
        Ok(module)
    }

    /// Index of a function type.
    pub fn type_index(&mut self, parameters: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let key = (parameters, results);
        if let Some(index) = self.type_indexes.get(&key) {
            return *index;
        }
        let index = self.types.len() as u32;
        self.types.push(key.clone());
        self.type_indexes.insert(key, index);
        index
    }

    /// Type of a block that leaves values of these types.
    pub fn block_type(&mut self, results: &[ValType]) -> BlockType {
        match results {
            [] => BlockType::Empty,
            [one] => BlockType::Result(*one),
            many => BlockType::FunctionType(self.type_index(Vec::new(), many.to_vec())),
        }
    }

    /// A new function; its body follows with [`Module::define`].
    pub fn declare(&mut self, parameters: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let type_index = self.type_index(parameters, results);
        self.functions.push((type_index, None));
        self.runtime.len() + self.functions.len() as u32 - 1
    }

    /// The body of a declared function.
    pub fn define(&mut self, function: u32, body: Vec<u8>) {
        self.functions[(function - self.runtime.len()) as usize].1 = Some(body);
    }

    /// Exports a function.
    pub fn export(&mut self, name: String, function: u32) {
        self.exports.push((name, function));
    }

    /// Index of a helper, which is thereby used.
    pub fn helper(&mut self, helper: Helper) -> u32 {
        let index = self.runtime.index(helper);
        self.helpers_used[index as usize] = true;
        index
    }

    /// Index of a function of the suite.
    pub fn suite_function(&self, function: FunctionId) -> u32 {
        self.suite_functions[function].expect("the walk from the surface's tools finds every callee")
    }

    /// Index of the function that inserts into, updates or deletes from a table; emitted once.
    pub fn table_operation(&mut self, operation: TableOperation) -> u32 {
        if let Some((_, index)) = self.table_operations.iter().find(|(known, _)| *known == operation) {
            return *index;
        }
        let (parameters, results) = tables::signature(self, operation);
        let index = self.declare(parameters, results);
        self.table_operations.push((operation, index));
        index
    }

    /// Index of the function that looks into or sets in a dict of a type; emitted once.
    pub fn dict_operation(&mut self, operation: DictOperation) -> u32 {
        if let Some((_, index)) = self.dict_operations.iter().find(|(known, _)| *known == operation) {
            return *index;
        }
        let (parameters, results) = dicts::signature(self, &operation);
        let index = self.declare(parameters, results);
        self.dict_operations.push((operation, index));
        index
    }

    /// Emits the bodies of the suite's functions.
    pub fn emit_functions(&mut self) -> Result<()> {
        for function in self.reach.functions.clone() {
            let body = Emitter::suite_function(self, function)?;
            self.define(self.suite_function(function), body);
        }
        Ok(())
    }

    /// Emits the bodies of the operations on tables and dicts asked for so far.
    pub fn emit_operations(&mut self) -> Result<()> {
        // Setting in a dict looks into it, which may ask for one more.
        let mut done = 0;
        while let Some((operation, index)) = self.dict_operations.get(done).cloned() {
            let body = dicts::emit(self, &operation)?;
            self.define(index, body);
            done += 1;
        }
        for (operation, index) in self.table_operations.clone() {
            let body = tables::emit(self, operation)?;
            self.define(index, body);
        }
        Ok(())
    }

    /// Names and code sizes of the suite's functions that have been emitted.
    pub fn function_bytes(&self) -> Vec<(String, usize)> {
        let size = |function: &FunctionId| {
            let index = self.suite_function(*function) - self.runtime.len();
            let body = self.functions[index as usize].1.as_ref();
            (self.suite.functions[*function].name.clone(), body.map_or(0, Vec::len))
        };
        self.reach.functions.iter().map(size).collect()
    }

    /// The finished core module, and the size of its data.
    pub fn assemble(mut self) -> Result<(Vec<u8>, usize)> {
        let realloc = self.helper(Helper::Realloc);
        let mut types = TypeSection::new();
        for (parameters, results) in &self.types {
            types.ty().function(parameters.iter().copied(), results.iter().copied());
        }
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for (index, body) in self.runtime.bodies(&self.helpers_used).iter().enumerate() {
            functions.function(self.runtime.type_of(index as u32));
            code.raw(body);
        }
        for (type_index, body) in &self.functions {
            functions.function(*type_index);
            code.raw(body.as_ref().expect("every declared function has been emitted"));
        }
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("cabi_realloc", ExportKind::Func, realloc);
        for (name, function) in &self.exports {
            exports.export(name, ExportKind::Func, *function);
        }
        let segment = self.image.finish()?;
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: u64::from(segment.pages),
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let data_bytes = segment.bytes.len();
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(super::data::SEGMENT as i32), segment.bytes);
        let mut module = wasm_encoder::Module::new();
        module.section(&types).section(&functions).section(&memories).section(&exports).section(&code).section(&data);
        Ok((module.finish(), data_bytes))
    }
}
