/**
 * `wgrad/train` in Node: all of `../index.ts`, and functions that need files or a terminal. Importing it makes `fit` store files by path and
 * show progress in the terminal.
 */
import { writeWhole } from '../../data/node/disk';
import { setDefaults } from '../defaults';
import type { History } from '../history';
import { htmlReport, type ReportOptions } from '../report';
import { FileStore } from './files';
import { terminalProgress } from './terminal';

export * from '../index';
export { FileStore } from './files';
export { TensorBoard, type TensorBoardOptions } from './tensorBoard';
export { ProgressBar, type Terminal } from './terminal';

const files = new FileStore();

setDefaults({ checkpoints: files, logs: files, progress: terminalProgress });

/** Writes `htmlReport(history, options)` to a file, atomically. Creates missing folders. */
export async function writeReport(path: string, history: History, options: ReportOptions = {}): Promise<void> {
	await writeWhole('writeReport', path, new TextEncoder().encode(htmlReport(history, options)));
}
