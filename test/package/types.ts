/** The public declarations, as compilers and editors see them. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';
import { compiler } from './install';

export type Check = (code: string, compilerOptions: object) => string;

/**
 * A function that type-checks programs in `folder` and returns the compiler's errors; '' if there are none. TypeScript 7 has no API in
 * this process. Of the others, the programs share the parsed declarations, which saves half of the time.
 */
export function checker(root: string, version: string, folder: string): Check {
	const tsc = compiler(root, version);
	const file = join(folder, 'typed.ts');
	if (version === '7') {
		return (code, compilerOptions) => {
			writeFileSync(file, code);
			writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
			return spawnSync(process.execPath, [tsc, '--pretty', 'false'], { cwd: folder, encoding: 'utf8' }).stdout;
		};
	}
	const api: typeof ts = createRequire(tsc)('typescript');
	const parsed = new Map<string, ts.SourceFile | undefined>();
	return (code, compilerOptions) => {
		const { options, errors } = api.convertCompilerOptionsFromJson(compilerOptions, folder);
		const host = api.createCompilerHost(options);
		const parse = host.getSourceFile;
		host.getCurrentDirectory = () => folder;
		host.getSourceFile = (name, how, ...rest) => {
			if (name === file) return api.createSourceFile(name, code, how);
			// What the module resolution makes of a file is all that differs between programs.
			const key = `${name} ${typeof how === 'object' ? how.impliedNodeFormat : ''}`;
			if (!parsed.has(key)) parsed.set(key, parse(name, how, ...rest));
			return parsed.get(key);
		};
		const program = api.createProgram([file], options, host);
		return api.formatDiagnostics([...errors, ...api.getPreEmitDiagnostics(program)], host);
	};
}

const OPTIONS: ts.CompilerOptions = {
	module: ts.ModuleKind.NodeNext,
	moduleResolution: ts.ModuleResolutionKind.NodeNext,
	target: ts.ScriptTarget.ES2022,
	types: ['node', '@webgpu/types'],
	typeRoots: [],
	strict: true,
	skipLibCheck: true,
};

/** The completions that an editor offers at the end of `code`, a program in `folder`: names with their documentation. */
export function completions(folder: string, code: string): Map<string, string> {
	const file = join(folder, 'completed.ts');
	const read = (name: string) => (name === file ? code : ts.sys.readFile(name));
	const service = ts.createLanguageService({
		...ts.sys,
		useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
		readFile: read,
		fileExists: (name) => name === file || ts.sys.fileExists(name),
		getCompilationSettings: () => OPTIONS,
		getCurrentDirectory: () => folder,
		getDefaultLibFileName: ts.getDefaultLibFilePath,
		getScriptFileNames: () => [file],
		getScriptSnapshot: (name) => {
			const text = read(name);
			return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
		},
		getScriptVersion: () => '1',
	});
	const at = code.length;
	const documentation = (name: string) =>
		ts.displayPartsToString(service.getCompletionEntryDetails(file, at, name, {}, undefined, {}, undefined)?.documentation);
	const { entries } = service.getCompletionsAtPosition(file, at, {})!;
	return new Map(entries.map(({ name }) => [name, documentation(name)]));
}

/**
 * Finds holes in the public declarations: every written type and every variable that is `any`, in all declarations that `entries`
 * lead to from a program in `folder`.
 */
export function anyTypes(folder: string, entries: readonly string[]): string[] {
	const file = join(folder, 'entries.ts');
	const host = ts.createCompilerHost({});
	const read = host.getSourceFile;
	const code = entries.map((entry, i) => `export * as entry${i} from '${entry}';`).join('\n');
	host.getSourceFile = (name, version) => (name === file ? ts.createSourceFile(name, code, version) : read(name, version));
	const program = ts.createProgram([file], OPTIONS, host);
	const checker = program.getTypeChecker();
	const holes: string[] = [];
	for (const source of program.getSourceFiles()) {
		const [, path] = /\/node_modules\/wgrad\/dist\/types\/src\/(.*)$/.exec(source.fileName) ?? [];
		if (path === undefined) continue;
		const visit = (node: ts.Node): void => {
			// Parts of a template literal type count as types, but have none.
			const isType = ts.isTypeNode(node) && !ts.isTemplateLiteralTypeSpan(node);
			const named = isType || ts.isVariableDeclaration(node) || ts.isBindingElement(node) ? node : undefined;
			// An import that was not found has the type any, too.
			if (named !== undefined && checker.getTypeAtLocation(named).flags & ts.TypeFlags.Any) {
				const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
				holes.push(`${path}:${line + 1}: ${node.getText(source)}`);
			}
			ts.forEachChild(node, visit);
		};
		visit(source);
	}
	if (!program.getSourceFiles().some(({ fileName }) => fileName.includes('/wgrad/dist/types/')))
		holes.push('no declarations were read');
	return holes;
}
