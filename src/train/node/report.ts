/** Writes reports to files. */
import { writeWhole } from '../../data/node/disk';
import type { History } from '../history';
import { htmlReport, type ReportOptions } from '../report';

/** Writes `htmlReport(history, options)` to a file, atomically. Creates missing folders. */
export async function writeReport(path: string, history: History, options: ReportOptions = {}): Promise<void> {
	await writeWhole('writeReport', path, new TextEncoder().encode(htmlReport(history, options)));
}
