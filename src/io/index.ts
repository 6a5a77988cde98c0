/** The namespace `io`: reads and writes model files. */

export { decodeSafetensors, encodeSafetensors, type SafetensorsRecord } from './safetensors';
export { type LoadOptions, loadSafetensors, saveSafetensors } from './state';
