/**
 * The public names of wgrad, nothing else. Functions take tensors first, then required arguments in PyTorch's order, then
 * one options object. `wgrad` (main.ts) adds the methods of tensors. `wgrad/core` is this file alone, so that a bundle holds only the operations
 * that a program calls.
 */
export { detectAnomaly } from './autograd/anomaly';
export { type AutocastOptions, autocast } from './autograd/autocast';
export { type BackwardOptions, backward, type GradOptions, grad } from './autograd/backward';
export { checkpoint } from './autograd/checkpoint';
export { type CustomOperation, customOp, type OperationContext } from './autograd/custom';
export { type GradcheckOptions, gradcheck, gradgradcheck } from './autograd/gradcheck';
export {
	type Graph,
	type GraphEdge,
	type GraphNode,
	type GraphOptions,
	graph,
	type SavedTensor,
	type TensorInfo,
} from './autograd/graph';
export { enableGrad, isGradEnabled, noGrad } from './autograd/modes';
export { saveOnCpu } from './autograd/saveOnCpu';
export type { HookHandle } from './autograd/tape';
export type { DeviceName as Device } from './backends/contract';
export { defaultDevice, setDefaultDevice } from './backends/registry';
export type { Profile, ProfileRow, Trace, TraceEvent } from './backends/webgpu/statistics';
export { type Compiled, type CompileOptions, type CompileReport, compile } from './compile';
export type { DType } from './core/dtype';
export {
	ArgumentError,
	AutogradError,
	DeviceError,
	DeviceLostError,
	DisposedError,
	DTypeError,
	FormatError,
	ShapeError,
	WgradError,
} from './core/errors';
export { FileError } from './core/fileError';
export { type Generator, type GeneratorState, manualSeed } from './core/generator';
export type { Shape } from './core/shape';
export * as distributions from './distributions';
export { type DerivativeOptions, hessian, jacobian, jvp, type TensorFunction, vjp } from './functional';
export { counters, type DeviceInfo, type InitOptions, init, type MemoryReport, memory, profile, shutdown, sync } from './init';
export * as io from './io';
export * as nn from './nn';
export { type CalibrateOptions, calibrate } from './nn/calibrate';
export {
	type ModuleChoice,
	prepareQat,
	type QuantizedLayerReport,
	type QuantizeOptions,
	type QuantizeReport,
	quantize,
} from './nn/quantize';
export * from './operations';
export {
	arange,
	type DataOptions,
	eye,
	full,
	linspace,
	type NumberArray,
	ones,
	type PixelData,
	type TensorOptions,
	tensor,
	zeros,
} from './ops/creation';
export * as fft from './ops/fourier';
export {
	defineKernel,
	type KernelArray,
	type KernelElement,
	type KernelFunction,
	type KernelOptions,
	type KernelParameter,
	type KernelValues,
} from './ops/kernel';
export { type KernelCheckOptions, kernelCheck } from './ops/kernelCheck';
export * as linalg from './ops/linalg';
export { promoteTypes, resultType } from './ops/promotion';
export { rand, randint, randn, randperm } from './ops/random';
export {
	bartlettWindow,
	blackmanWindow,
	hammingWindow,
	hannWindow,
	type KaiserOptions,
	kaiserWindow,
	type WindowOptions,
} from './ops/windowFunctions';
export * as optim from './optim';
export { GradScaler, type GradScalerOptions, type GradScalerState } from './optim/gradScaler';
export { type GradientHook, type NestedArray, Tensor } from './tensor';
export { keep, tidy } from './tidy';
export {
	type TunedClass,
	type TunedKernel,
	type TuneOptions,
	type TuneReport,
	type TuningTable,
	tune,
	tuning,
	useTuning,
} from './tune';
