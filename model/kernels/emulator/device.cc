// A CUDA device of libtorch that is none: its memory is the CPU's, and its operations are the CPU's on that memory.
//
// What it shares with a real one is what placement is about: a tensor says that it is on CUDA, and an operation on tensors of which
// some are there and some are not is an error. Only numbers without a dimension may come from the CPU, as on a real device.
// Loading this library registers the device in a libtorch that was built without CUDA; see model/tests/support/pretend.rs.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace at {

struct PretendedHooks final : CUDAHooksInterface {
  explicit PretendedHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  int getNumGPUs() const override { return 1; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  void deviceSynchronize(DeviceIndex) const override {}
  const Generator &getDefaultGenerator(DeviceIndex) const override { return detail::getDefaultCPUGenerator(); }
};

C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, PretendedHooks); // under the name libtorch asks for

} // namespace at

namespace {

const c10::Device DEVICE(c10::DeviceType::CUDA, 0);

struct Guard final : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA> {
  c10::Device getDevice() const override { return DEVICE; }
  c10::Device exchangeDevice(c10::Device) const override { return DEVICE; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, DEVICE); }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
};

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void *start = bytes == 0 ? nullptr : std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    return {start, start, &std::free, DEVICE};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void *to, const void *from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};

Memory memory;

// The same numbers as a tensor of the CPU.
at::Tensor on_cpu(const at::Tensor &x) {
  if (!x.defined() || !x.is_cuda()) return x;
  if (x.numel() == 0) return at::empty(x.sizes(), x.options().device(at::kCPU).requires_grad(false)); // may be given room
  return at::from_blob(x.data_ptr(), x.sizes(), x.strides(), x.options().device(at::kCPU).requires_grad(false));
}

// A result of the CPU as a tensor of the device.
at::Tensor on_device(const at::Tensor &x) {
  if (!x.defined()) return x;
  return at::for_blob(x.data_ptr(), x.sizes()).strides(x.strides()).deleter([x](void *) {}).target_device(DEVICE)
      .options(x.options().device(DEVICE)).make_tensor();
}

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> kind, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, c10::DispatchKeySet(c10::DispatchKey::CUDA), at::dtype_or_default(kind), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> kind,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, c10::DispatchKeySet(c10::DispatchKey::CUDA), at::dtype_or_default(kind));
}

at::Tensor &copy(at::Tensor &to, const at::Tensor &from, bool) {
  on_cpu(to).copy_(on_cpu(from));
  return to;
}

// Every other operation.
void operation(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const auto &schema = op.schema();
  const size_t count = schema.arguments().size(), first = stack->size() - count;
  std::vector<std::pair<at::Tensor, at::Tensor>> written;
  bool here = false, elsewhere = false;
  auto look = [&](const at::Tensor &x) {
    if (!x.defined()) return;
    here |= x.is_cuda();
    elsewhere |= !x.is_cuda() && x.dim() > 0;
  };
  for (size_t i = 0; i < count; i++) {
    c10::IValue &value = (*stack)[first + i];
    if (value.isTensor()) {
      const at::Tensor x = value.toTensor();
      look(x);
      const at::Tensor alias = on_cpu(x);
      const auto *info = schema.arguments()[i].alias_info();
      if (info != nullptr && info->isWrite()) written.emplace_back(x, alias);
      value = alias;
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> all;
      for (const at::Tensor &x : value.toTensorVector()) {
        look(x);
        all.push_back(on_cpu(x));
      }
      value = c10::IValue(all);
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> all;
      for (const std::optional<at::Tensor> &x : value.toOptionalTensorVector()) {
        if (x) look(*x);
        all.push_back(x ? std::optional<at::Tensor>(on_cpu(*x)) : std::nullopt);
      }
      value = c10::IValue(all);
    } else if (value.isDevice()) {
      value = c10::IValue(at::Device(at::kCPU));
    }
  }
  TORCH_CHECK(!(here && elsewhere), schema.name(), ": some tensors are on the CPU and some are on ", DEVICE);
  op.callBoxed(stack);
  for (auto &[x, alias] : written) {
    // A result that had no room yet was given some.
    if (x.data_ptr() != alias.data_ptr() || x.sizes() != alias.sizes()) {
      const at::Tensor grown = on_device(alias);
      x.unsafeGetTensorImpl()->set_storage_keep_dtype(grown.storage());
      x.unsafeGetTensorImpl()->set_sizes_and_strides(alias.sizes(), alias.strides());
    }
  }
  auto back = [&](const at::Tensor &result) {
    for (auto &[x, alias] : written) {
      if (result.is_same(alias)) return x;
    }
    return on_device(result);
  };
  const size_t results = schema.returns().size();
  for (size_t i = stack->size() - results; i < stack->size(); i++) {
    c10::IValue &value = (*stack)[i];
    if (value.isTensor()) {
      value = back(value.toTensor());
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> all;
      for (const at::Tensor &x : value.toTensorVector()) all.push_back(back(x));
      value = c10::IValue(all);
    }
  }
}

} // namespace

C10_REGISTER_GUARD_IMPL(CUDA, Guard);
REGISTER_ALLOCATOR(c10::DeviceType::CUDA, &memory);

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&operation>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("copy_", &copy);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", [](const at::Tensor &x, at::IntArrayRef size) { return at::native::view(x, size); });
}
