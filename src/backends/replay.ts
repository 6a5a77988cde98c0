/**
 * What records and replays launches on the GPU, with the fusion of kernels. `compile` gives it to the backend, so that bundlers leave it out of
 * programs that do not compile.
 */
export { launchRecorder } from './webgpu/plan';
