/** In Node, importing `wgrad/train` makes it store files by path and show progress in the terminal. */
import { setPlatform } from '../platform';
import { FileStore } from './files';
import { terminalProgress } from './terminal';

const files = new FileStore();

setPlatform({ checkpoints: files, logs: files, progress: terminalProgress });
