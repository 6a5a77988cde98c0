/** `wgrad/models`: architectures with the keys of Hugging Face and torchvision, and their pretrained weights. In Node, `node.ts` adds folders. */
export { type BertCall, BertModel, type BertOptions, type BertOutput } from './bert';
export { type CausalCall, CausalModel } from './causalModel';
export type { PretrainedConfig } from './config';
export type { HubOptions, ModelSource } from './folder';
export type { GenerateOptions } from './generate';
export { GPT2LMHeadModel } from './gpt2';
export { PretrainedModel } from './hubModule';
export { LlamaForCausalLM, type LlamaOptions } from './llama';
export { MobileNetV2, type MobileNetV2Options } from './mobilenet';
export { MobileNetV3, type MobileNetV3Options } from './mobilenetV3';
export { fromPretrained, Pretrained, type PretrainedOptions, pretrainedFiles, type Saved } from './pretrained';
export { type ImageClassifierOptions, ResNet, type ResNetOptions } from './resnet';
export type { SamplingOptions } from './sampler';
export { type ChatMessage, Tokenizer } from './tokenizer';
export { UNet2DModel } from './unet';
export { ViTForImageClassification } from './vit';
export { WhisperForConditionalGeneration, type WhisperOptions } from './whisper';
