/** Looks for holes in public declarations: types that are `any`, because something was not found or was left unsaid. */
import { join } from 'node:path';
import ts from 'typescript';

/**
 * The places where the declarations that `entries` lead to, as a program in `folder` finds them, say `any`: every type that is written
 * in them, and every variable.
 */
export function anyTypes(folder: string, entries: readonly string[]): string[] {
	const file = join(folder, 'entries.ts');
	const host = ts.createCompilerHost({});
	const read = host.getSourceFile;
	const code = entries.map((entry, i) => `export * as entry${i} from '${entry}';`).join('\n');
	host.getSourceFile = (name, version) => (name === file ? ts.createSourceFile(name, code, version) : read(name, version));
	const program = ts.createProgram(
		[file],
		{
			module: ts.ModuleKind.NodeNext,
			moduleResolution: ts.ModuleResolutionKind.NodeNext,
			target: ts.ScriptTarget.ES2022,
			types: ['node', '@webgpu/types'],
			typeRoots: [],
			strict: true,
			skipLibCheck: true,
		},
		host,
	);
	const checker = program.getTypeChecker();
	const holes: string[] = [];
	for (const source of program.getSourceFiles()) {
		const [, path] = /\/node_modules\/wgrad\/dist\/types\/src\/(.*)$/.exec(source.fileName) ?? [];
		if (path === undefined) continue;
		const visit = (node: ts.Node): void => {
			const named = ts.isTypeNode(node) || ts.isVariableDeclaration(node) || ts.isBindingElement(node) ? node : undefined;
			// What an import that was not found gives counts as any, too.
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
