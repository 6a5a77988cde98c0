/** `wgrad/train` in Node: all of `index.ts`, and functions that need files or a terminal. */
import './node/install';

export * from './index';
export { FileStore } from './node/files';
export { writeReport } from './node/report';
export { ProgressBar, type Terminal } from './node/terminal';
