/** Reads tables of comma-separated values. */
import Papa from 'papaparse';
import { requireList, requireString } from '../core/checks';
import { ArgumentError, FormatError } from '../core/errors';
import { checkOptions } from '../core/options';

export interface CsvOptions {
	/** true: the first row holds names. false: columns are named '0', '1', ... Or the names themselves. Default true. */
	readonly header?: boolean | readonly string[];
	/** The separator of columns. Default: detected, one of comma, tab, bar and semicolon. */
	readonly delimiter?: string;
	/** The columns to read, in this order. Default: all. */
	readonly columns?: readonly string[];
	/** Columns that must hold numbers. Default: those with numbers only. */
	readonly numeric?: readonly string[];
	/** Columns that hold categories, even if they look like numbers. */
	readonly categorical?: readonly string[];
	/** Cells that mean 'no value', apart from spaces. Default: '', 'NA', 'N/A', 'NaN', 'nan', 'null', '?'. */
	readonly missing?: readonly string[];
	/** The prefix of comment lines. Default: no comments. */
	readonly comments?: string;
}

export interface NumericColumn {
	readonly name: string;
	readonly kind: 'numeric';
	/** NaN for missing values. */
	readonly values: Float64Array;
}

export interface CategoricalColumn {
	readonly name: string;
	readonly kind: 'categorical';
	/** The index of each value's category; -1 for missing values. */
	readonly values: Int32Array;
	/** Sorted by character codes. */
	readonly categories: readonly string[];
}

export type CsvColumn = NumericColumn | CategoricalColumn;

const CSV_OPTIONS = ['header', 'delimiter', 'columns', 'numeric', 'categorical', 'missing', 'comments'] as const;
const MISSING = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', '?'];
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const INFINITE = /^([+-]?)inf(inity)?$/i;

/** A table, stored by column. */
export class CsvTable {
	/** The number of rows. */
	readonly length: number;
	readonly columns: readonly CsvColumn[];
	readonly #byName: ReadonlyMap<string, CsvColumn>;

	constructor(length: number, columns: readonly CsvColumn[]) {
		this.length = length;
		this.columns = columns;
		this.#byName = new Map(columns.map((column) => [column.name, column]));
	}

	get names(): string[] {
		return this.columns.map(({ name }) => name);
	}

	/** The column with this name. */
	column(name: string): CsvColumn {
		const column = this.#byName.get(name);
		if (column === undefined) throw new ArgumentError(`CsvTable: there is no column '${name}'; there are ${listed(this.names)}`);
		return column;
	}

	/** The numbers of a numeric column; NaN for missing values. */
	numbers(name: string): Float64Array {
		const column = this.column(name);
		if (column.kind === 'numeric') return column.values;
		throw new ArgumentError(`CsvTable: column '${name}' holds categories; for their indices use column(name).values`);
	}

	/** The names in a categorical column; '' for missing values. */
	strings(name: string): string[] {
		const column = this.column(name);
		if (column.kind === 'numeric') {
			throw new ArgumentError(`CsvTable: column '${name}' holds numbers; to read it as categories pass categorical: ['${name}']`);
		}
		return Array.from(column.values, (index) => column.categories[index] ?? '');
	}

	/** Numeric columns as a matrix [rows, columns], for `tensor` and ArrayDataset. Default: all numeric columns. */
	matrix(names: readonly string[] = this.columns.filter(({ kind }) => kind === 'numeric').map(({ name }) => name)): {
		data: Float64Array;
		shape: [rows: number, columns: number];
		dtype: 'float32';
	} {
		const columns = names.map((name) => this.numbers(name));
		const data = new Float64Array(this.length * columns.length);
		columns.forEach((values, j) => {
			for (let i = 0; i < this.length; i++) data[i * columns.length + j] = values[i]!;
		});
		return { data, shape: [this.length, columns.length], dtype: 'float32' };
	}
}

const MOST_LISTED = 20;

function listed(names: readonly string[]): string {
	const some = names.slice(0, MOST_LISTED).map((name) => `'${name}'`);
	return names.length > MOST_LISTED ? `${some.join(', ')} and ${names.length - MOST_LISTED} more` : some.join(', ');
}

/** Parses CSV text (RFC 4180) and skips empty lines. Accepts any mixture of line breaks; inside cells they become '\n'. */
export function parseCsv(text: string, options: CsvOptions = {}): CsvTable {
	const { header = true, delimiter = '', comments = false, missing = MISSING } = checkOptions('parseCsv', options, CSV_OPTIONS);
	requireString('parseCsv', 'the text of a file', text);
	// The parser expects the kind of line break of the first line everywhere.
	const lines = text.replace(/\r\n?/g, '\n');
	const { data, errors } = Papa.parse<string[]>(lines, { delimiter, newline: '\n', comments, skipEmptyLines: true });
	const broken = errors.find(({ type }) => type === 'Quotes');
	if (broken !== undefined) throw new FormatError(`parseCsv: row ${(broken.row ?? 0) + 1}: ${broken.message}`);
	if (typeof header !== 'boolean') requireList('parseCsv', 'names as header', header);
	requireList('parseCsv', 'cells as missing', missing);
	const rows = header === true ? data.slice(1) : data;
	const width = data[0]?.length ?? 0;
	const names = header === true ? (data[0] ?? []).map((name) => name.trim()) : namesOf(header, width);
	const indices = new Map(names.map((name, i) => [name, i]));
	const twice = names.find((name, i) => indices.get(name) !== i);
	if (twice !== undefined) throw new FormatError(`parseCsv: two columns are named '${twice}'; pass names as header: [...]`);
	if (names.length === 0) throw new FormatError('parseCsv: the text is empty');
	const odd = rows.findIndex((row) => row.length !== names.length);
	if (odd >= 0) {
		throw new FormatError(`parseCsv: row ${odd + 1} has ${rows[odd]!.length} cells, but there are ${names.length} columns`);
	}
	const known = (list: readonly string[] | undefined, option: string) => {
		if (list !== undefined) requireList('parseCsv', `names as ${option}`, list);
		const unknown = list?.find((name) => !indices.has(name));
		if (unknown !== undefined) {
			throw new ArgumentError(`parseCsv: ${option}: there is no column '${unknown}'; there are ${listed(names)}`);
		}
		return list;
	};
	const numeric = new Set(known(options.numeric, 'numeric'));
	const categorical = new Set(known(options.categorical, 'categorical'));
	const both = [...numeric].find((name) => categorical.has(name));
	if (both !== undefined) throw new ArgumentError(`parseCsv: column '${both}' cannot be both numeric and categorical`);
	const wanted = known(options.columns, 'columns') ?? names;
	const none = new Set(missing);
	const columns = wanted.map((name): CsvColumn => {
		const index = indices.get(name)!;
		const cells = rows.map((row) => {
			const cell = row[index]!.trim();
			return none.has(cell) ? null : cell;
		});
		return categorical.has(name) ? categories(name, cells) : (numbers(name, cells, numeric.has(name)) ?? categories(name, cells));
	});
	return new CsvTable(rows.length, columns);
}

function namesOf(header: false | readonly string[], width: number): readonly string[] {
	if (header === false) return Array.from({ length: width }, (_, i) => String(i));
	return header;
}

/** Parses cells as numbers. If one is not a number, returns null, or throws if `must` is true. */
function numbers(name: string, cells: readonly (string | null)[], must: boolean): NumericColumn | null {
	const values = new Float64Array(cells.length);
	for (const [i, cell] of cells.entries()) {
		const infinite = cell === null ? null : INFINITE.exec(cell);
		if (cell === null) values[i] = Number.NaN;
		else if (infinite !== null) values[i] = infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
		else if (NUMBER.test(cell)) values[i] = Number(cell);
		else if (!must) return null;
		else {
			throw new FormatError(
				`parseCsv: column '${name}', row ${i + 1}: '${cell}' is not a number. If it means 'no value', list it in missing`,
			);
		}
	}
	return { name, kind: 'numeric', values };
}

function categories(name: string, cells: readonly (string | null)[]): CategoricalColumn {
	const found = [...new Set(cells.filter((cell) => cell !== null))].sort();
	const indices = new Map(found.map((category, i) => [category, i]));
	return {
		name,
		kind: 'categorical',
		values: Int32Array.from(cells, (cell) => (cell === null ? -1 : indices.get(cell)!)),
		categories: found,
	};
}
