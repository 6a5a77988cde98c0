/** `wgrad/formats`: reads the files of other libraries, and writes them. In Node, `node.ts` adds paths. */

export {
	type KerasOptions,
	type LoadedKeras,
	type LoadKerasOptions,
	loadKeras,
	type SaveKerasOptions,
	saveKeras,
} from './keras';
export { type CustomLayer, KerasModel, type MakeCustomLayer } from './keras/model';
export type { KerasOptimizer } from './keras/optimizers';
export { type LoadOnnxOptions, loadOnnx, type NamedTensors, type OnnxModule, type OnnxValue } from './onnx';
export { type OnnxModel, type OnnxOptions, type SaveOnnxOptions, saveOnnx, toOnnx } from './onnx/export';
export { type LoadPyTorchOptions, loadPyTorch } from './pytorch';
export { loadPyTorchOptimizer, pyTorchOptimizerState } from './pytorchOptimizer';
export { type SavePyTorchOptions, savePyTorch } from './pytorchWriter';
export { type LoadTfjsOptions, loadTfjs, type SaveTfjsOptions, saveTfjs } from './tfjs';
