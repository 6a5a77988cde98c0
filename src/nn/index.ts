/** The namespace `nn`: modules with PyTorch's class names, and `nn.init`. */
export * from './activation';
export * from './attention';
export * from './containers';
export * from './convolution';
export * from './distillation';
export * from './dropout';
export * from './embedding';
export { functionalCall } from './functionalCall';
export * as init from './init';
export * from './kvCache';
export * from './linear';
export * as lora from './lora';
export * from './losses';
export { type MemoryByModule, type MemoryMoment, type ModuleMemory, memoryByModule } from './memoryByModule';
export type { FactoryOptions, ForwardHook, ForwardPreHook, LoadResult, StateDict } from './module';
export { Module } from './module';
export * from './normalization';
export * from './padding';
export { Parameter } from './parameter';
export * from './pooling';
export * from './positions';
export * as prune from './prune';
export { FakeQuantizedEmbedding, FakeQuantizedLinear } from './quantize';
export {
	type EmbeddingLike,
	type LinearLike,
	type QuantizedActivations,
	QuantizedEmbedding,
	type QuantizedEmbeddingOptions,
	QuantizedLinear,
	type QuantizedLinearOptions,
} from './quantized';
export * from './recurrent';
export * from './reshape';
export { type LayerSummary, type ModelSummary, type SummaryOptions, summarize } from './summary';
export * from './transformer';
export * as utils from './utils';
export { type WeightNormOptions, weightNorm } from './weightNorm';
