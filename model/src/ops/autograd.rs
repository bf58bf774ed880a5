//! Gradients of what libtorch did not compute: a result gets a step of the gradient graph whose backward pass is a closure.
//!
//! libtorch has such steps for C++ only, so a few lines of it (`autograd.cc`) stand between. What calls into the other language catches
//! what is thrown there, in both directions.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::{Error, Result};

/// Gradients of the inputs from that of the result; none for an input that needs none. It may be called on another thread, and again
/// where a graph is kept.
pub type Backward = Box<dyn Fn(&Tensor) -> Result<Vec<Option<Tensor>>> + Send>;

type Call = unsafe extern "C" fn(*mut c_void, *const *const C_tensor, usize, *mut c_void, *mut c_void) -> c_int;

unsafe extern "C" {
    fn terrarium_put(found: *mut c_void, index: usize, gradient: *const C_tensor);
    fn terrarium_explain(why: *mut c_void, text: *const c_char, length: usize);
    fn terrarium_attach(
        inputs: *const *const C_tensor,
        count: usize,
        output: *mut C_tensor,
        state: *mut c_void,
        backward: Call,
        drop: unsafe extern "C" fn(*mut c_void),
        why: *mut c_char,
        why_size: usize,
    ) -> c_int;
}

/// What the step owns.
struct State {
    inputs: usize,
    backward: Backward,
}

/// Whether gradients of `x` are wanted here: it asks for them, and they are not switched off ([`tch::no_grad`]).
pub fn wanted(x: &Tensor) -> bool {
    // SAFETY: switches a setting of this thread and back, and asks what it was.
    let enabled = || unsafe {
        let before = torch_sys::at_grad_set_enabled(0);
        torch_sys::at_grad_set_enabled(before);
        before != 0
    };
    x.requires_grad() && enabled()
}

/// `output`, computed from `inputs` without gradients, as a result of a step whose backward pass is `backward`. The closure must hold
/// `detach`ed tensors only, or nothing is ever freed.
///
/// # Errors
/// [`Error::Kernel`] with libtorch's words.
pub fn attach(inputs: &[&Tensor], mut output: Tensor, backward: Backward) -> Result<Tensor> {
    let pointers: Vec<*const C_tensor> = inputs.iter().map(|input| input.as_ptr()).collect();
    let state = Box::into_raw(Box::new(State { inputs: inputs.len(), backward }));
    let mut why = [0u8; 512];
    // SAFETY: the tensors outlive the call, which keeps their gradient edges only; the state is a box that `drop_state` takes back.
    let status = unsafe {
        terrarium_attach(
            pointers.as_ptr(),
            pointers.len(),
            output.as_mut_ptr(),
            state.cast(),
            call,
            drop_state,
            why.as_mut_ptr().cast(),
            why.len(),
        )
    };
    if status == 0 {
        return Ok(output);
    }
    let text = why.split(|&byte| byte == 0).next().unwrap_or_default();
    Err(Error::Kernel { kernel: "autograd", reason: String::from_utf8_lossy(text).into_owned() })
}

/// # Safety
/// `state` is of [`attach`] and not used again.
unsafe extern "C" fn drop_state(state: *mut c_void) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(state.cast::<State>()) });
}

/// # Safety
/// `state` is of [`attach`], `given` holds `given_count` tensors, `found` and `why` are the shim's.
unsafe extern "C" fn call(
    state: *mut c_void,
    given: *const *const C_tensor,
    given_count: usize,
    found: *mut c_void,
    why: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let (state, given) = unsafe { (&*state.cast::<State>(), std::slice::from_raw_parts(given, given_count)) };
    let work = || {
        // SAFETY: the pointer is to a tensor, of which this makes a second handle.
        let gradient = unsafe { Tensor::clone_from_ptr(given[0].cast_mut()) };
        if !gradient.defined() {
            return Ok(Vec::new()); // nothing downstream asked: no gradient for the inputs either
        }
        let gradients = tch::no_grad(|| (state.backward)(&gradient))?;
        assert_eq!(gradients.len(), state.inputs, "a gradient, or none, for every input");
        Ok::<_, Error>(gradients)
    };
    let reason = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(gradients)) => {
            for (index, gradient) in gradients.iter().enumerate() {
                if let Some(gradient) = gradient {
                    // SAFETY: the shim's list has a place for every input and takes a second handle of the tensor.
                    unsafe { terrarium_put(found, index, gradient.as_ptr()) };
                }
            }
            return 0;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the backward pass of a kernel panicked".to_owned(),
    };
    // SAFETY: the text has the length said, and is copied.
    unsafe { terrarium_explain(why, reason.as_ptr().cast(), reason.len()) };
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn leaf(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).set_requires_grad(true)
    }

    /// `a * b`, with its gradients written out.
    fn product(a: &Tensor, b: &Tensor) -> Tensor {
        let (x, y) = (a.detach(), b.detach());
        let out = tch::no_grad(|| a * b);
        attach(&[a, b], out, Box::new(move |d_out| Ok(vec![Some(d_out * &y), Some(d_out * &x)]))).unwrap()
    }

    #[test]
    fn a_step_stands_anywhere_in_a_graph() {
        let run = |product: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
            let (a, b) = (leaf(&[1.0, -2.0, 3.0]), leaf(&[0.5, 4.0, -1.0]));
            let once = product(&(&a * 2.0), &b.exp());
            let loss = product(&once, &once.sigmoid()).sum(Kind::Double);
            loss.backward();
            (loss.double_value(&[]), a.grad(), b.grad())
        };
        let (found, expected) = (run(&product), run(&|a, b| a * b));
        assert_eq!(found, expected);
        // The same by differences of the loss.
        let loss = |a: [f64; 3]| {
            let once = Tensor::from_slice(&a) * 2.0 * Tensor::from_slice(&[0.5, 4.0, -1.0]).exp();
            (&once * once.sigmoid()).sum(Kind::Double).double_value(&[])
        };
        let step = 1e-6;
        let slope = (loss([1.0, -2.0 + step, 3.0]) - loss([1.0, -2.0 - step, 3.0])) / (2.0 * step);
        assert!((found.1.double_value(&[1]) - slope).abs() < 1e-6 * slope.abs().max(1.0));
    }

    #[test]
    fn an_input_may_need_no_gradient_and_a_failure_is_an_error() {
        let a = leaf(&[1.0]);
        let constant = Tensor::from_slice(&[3.0]);
        let out = attach(&[&a, &constant], &a.detach() * 3.0, Box::new(|d| Ok(vec![Some(d * 3.0), None]))).unwrap();
        out.sum(Kind::Double).backward();
        assert!((a.grad().double_value(&[0]) - 3.0).abs() < 1e-12);
        let failing = |backward: Backward| {
            attach(&[&a], a.detach(), backward).unwrap().sum(Kind::Double).f_backward().unwrap_err().to_string()
        };
        let error = failing(Box::new(|_| Err(Error::Kernel { kernel: "some", reason: "no luck".to_owned() })));
        assert!(error.contains("no luck"), "{error}");
        assert!(failing(Box::new(|_| panic!("planted"))).contains("panicked"));
    }

    #[test]
    fn gradients_are_wanted_where_they_are_asked_for_and_not_switched_off() {
        let (a, b) = (leaf(&[1.0]), Tensor::ones([1], (Kind::Double, Device::Cpu)));
        assert!(wanted(&a) && !wanted(&b));
        tch::no_grad(|| assert!(!wanted(&a)));
        assert!(wanted(&a), "it is switched back");
    }

    #[test]
    fn what_a_step_holds_is_freed_with_its_result() {
        struct Watched(std::sync::Arc<()>);
        let counted = std::sync::Arc::new(());
        let watched = Watched(std::sync::Arc::clone(&counted));
        let a = leaf(&[1.0]);
        let backward: Backward = Box::new(move |d| {
            let _ = &watched.0;
            Ok(vec![Some(d.shallow_clone())])
        });
        let out = attach(&[&a], a.detach(), backward).unwrap();
        assert_eq!(std::sync::Arc::strong_count(&counted), 2);
        drop(out);
        assert_eq!(std::sync::Arc::strong_count(&counted), 1);
    }
}
