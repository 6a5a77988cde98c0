/** `wgrad/formats`: reads the files of other libraries. In Node, `node.ts` adds paths. */

export { type LoadPyTorchOptions, loadPyTorch } from './pytorch';
