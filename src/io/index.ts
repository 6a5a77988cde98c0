/** `io`: models in files. */
export { type LoadOptions, loadSafetensors, saveSafetensors } from './state';
export { decodeSafetensors, encodeSafetensors, type SafetensorsRecord } from './safetensors';
