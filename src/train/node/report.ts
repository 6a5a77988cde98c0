/** Reports as files. */
import type { History } from '../history';
import { htmlReport, type ReportOptions } from '../report';
import { FileStore } from './files';

/** Writes `htmlReport(history, options)` to a file, in place of an earlier one at once; missing folders are made. */
export async function writeReport(path: string, history: History, options: ReportOptions = {}): Promise<void> {
	await new FileStore().write(path, new TextEncoder().encode(htmlReport(history, options)));
}
