/** Makes files and the terminal what names and progress mean, as soon as `wgrad/train` is imported in Node. */
import { setPlatform } from '../platform';
import { FileStore } from './files';
import { terminalProgress } from './terminal';

const files = new FileStore();

setPlatform({ checkpoints: files, logs: files, progress: terminalProgress });
