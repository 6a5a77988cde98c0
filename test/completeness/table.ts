/** The table of operations in docs/operations.md, made from the database. */
import type { OpEntry } from '../ops/database';
import { count } from './counts';
import { DRAWN, FURTHER, NO_ENTRY } from './names';

const BEGIN = '<!-- operations: made by npm run table -->';
const END = '<!-- /operations -->';

function names(entries: readonly OpEntry[], chosen: (entry: OpEntry) => boolean): string {
	return [...new Set(entries.filter(chosen).map(({ name }) => `\`${name}\``))].join(' ');
}

/** One row for all operations of a family with the same tests. */
export function operationsTable(families: Readonly<Record<string, readonly OpEntry[]>>): string {
	const all = Object.values(families).flat();
	const listed = (reasons: Readonly<Record<string, string>>) =>
		Object.entries(reasons).map(([some, reason]) => {
			const shown = some.split(' ').map((name) => `\`${name}\``);
			return `- ${shown.join(' ')}: ${reason}.`;
		});
	const rows = Object.entries(families).flatMap(([family, entries]) => {
		const differentiable = (entry: OpEntry) => entry.gradient === 'yes';
		const twice = (entry: OpEntry) => differentiable(entry) && entry.secondGradient === undefined;
		return [
			['yes', 'yes', 'yes', 'yes', names(entries, twice)],
			['yes', 'yes', 'yes', 'no', names(entries, (entry) => differentiable(entry) && !twice(entry))],
			['yes', 'yes', 'no', 'no', names(entries, (entry) => !differentiable(entry))],
		]
			.filter((row) => row.at(-1) !== '')
			.map((row) => [family, ...row]);
	});
	return [
		BEGIN,
		'',
		'| family | CPU | WebGPU | gradient | second gradient | operations |',
		'| --- | --- | --- | --- | --- | --- |',
		...rows.map((row) => `| ${row.join(' | ')} |`),
		'',
		`${count(all).operations} in all. Samples are compared with PyTorch where it has the operation. These draw random numbers, so they are not:`,
		'',
		...listed(DRAWN),
		'',
		'Tested outside the database:',
		'',
		...listed({ ...NO_ENTRY, ...FURTHER }),
		'',
		END,
	].join('\n');
}

/** The names of operations in a page's table. */
export function namesIn(page: string): string[] {
	return [...page.slice(page.indexOf(BEGIN), page.indexOf(END)).matchAll(/`(\w+)`/g)].map(([, name]) => name!);
}

/** The page with the table between its markers. */
export function withTable(page: string, table: string): string {
	const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
	if (begin < 0 || end < begin) throw new Error(`docs/operations.md lacks the markers ${BEGIN} and ${END}`);
	return page.slice(0, begin) + table + page.slice(end + END.length);
}
