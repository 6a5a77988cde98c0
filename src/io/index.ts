/** The namespace `io`: reads and writes model files. */

export { type LoadFileOptions, load } from './load';
export type { Progress } from './options';
export { decodeSafetensors, encodeSafetensors, type SafetensorsRecord } from './safetensors';
export { type SaveFileOptions, save, type Target } from './save';
export { type LoadOptions, loadSafetensors, saveSafetensors } from './state';
