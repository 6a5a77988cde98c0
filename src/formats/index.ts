/** `wgrad/formats`: reads the files of other libraries, and writes them. In Node, `node.ts` adds paths. */

export { type LoadPyTorchOptions, loadPyTorch } from './pytorch';
export { loadPyTorchOptimizer, pyTorchOptimizerState } from './pytorchOptimizer';
export { type SavePyTorchOptions, savePyTorch } from './pytorchWriter';
