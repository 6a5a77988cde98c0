/** `nn`: modules under PyTorch's class names, and `nn.init`. */
export * from './activation';
export * from './containers';
export * from './convolution';
export * from './dropout';
export * from './embedding';
export * as init from './init';
export * from './linear';
export * from './losses';
export type { FactoryOptions, LoadResult, StateDict } from './module';
export { Module } from './module';
export * from './normalization';
export * from './padding';
export { Parameter } from './parameter';
export * from './pooling';
export * from './recurrent';
export * from './reshape';
export * from './shrinking';
