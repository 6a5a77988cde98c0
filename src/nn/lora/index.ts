/** The namespace `nn.lora`: low-rank adapters, in PEFT's files. */
export { type LoraFiles, load, type SaveOptions, save } from './files';
export { type AdapterConfig, apply, type LoraModel, type LoraOptions, type Targets } from './model';
