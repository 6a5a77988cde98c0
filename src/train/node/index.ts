/** `wgrad/train` in Node: all of `index.ts`, and functions that need files or a terminal. */
import './install';

export * from '../index';
export { FileStore } from './files';
export { writeReport } from './report';
export { ProgressBar, type Terminal } from './terminal';
