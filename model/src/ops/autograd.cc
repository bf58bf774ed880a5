// A step of libtorch's gradient graph whose backward pass is a function of Rust; see autograd.rs.

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

using torch::autograd::variable_list;

extern "C" {
// Reads the gradients of results from `given`, puts those of inputs into `found` with terrarium_put; 0, or 1 with a reason in `why`.
typedef int (*Backward)(void *state, const at::Tensor *const *given, size_t given_count, void *found, void *why);
typedef void (*Drop)(void *state);
}

namespace {

struct Step final : torch::autograd::Node {
  Step(void *state, Backward backward, Drop drop, size_t inputs)
      : state(state), backward(backward), drop(drop), inputs(inputs) {}
  ~Step() override { drop(state); }

  variable_list apply(variable_list &&given) override {
    std::vector<const at::Tensor *> pointers;
    for (const at::Tensor &gradient : given) pointers.push_back(&gradient);
    variable_list found(inputs);
    std::string why;
    if (backward(state, pointers.data(), pointers.size(), &found, &why) != 0) throw std::runtime_error(why);
    return found;
  }

  std::string name() const override { return "TerrariumStep"; }

  void *state;
  Backward backward;
  Drop drop;
  size_t inputs;
};

} // namespace

extern "C" {

void terrarium_put(void *found, size_t index, const at::Tensor *gradient) {
  static_cast<variable_list *>(found)->at(index) = *gradient;
}

void terrarium_explain(void *why, const char *text, size_t length) { static_cast<std::string *>(why)->assign(text, length); }

// Makes `output` the result of a step on `inputs`; owns `state` from the call on. 0, or 1 with a reason.
int terrarium_attach(const at::Tensor *const *inputs, size_t count, at::Tensor *output, void *state, Backward backward, Drop drop,
                     char *why, size_t why_size) {
  try {
    std::shared_ptr<Step> step(new Step(state, backward, drop, count), torch::autograd::deleteNode);
    variable_list all;
    for (size_t i = 0; i < count; i++) all.push_back(*inputs[i]);
    step->set_next_edges(torch::autograd::collect_next_edges(all));
    torch::autograd::set_history(*output, step);
    return 0;
  } catch (const std::exception &error) {
    std::snprintf(why, why_size, "%s", error.what());
    return 1;
  }
}
}
