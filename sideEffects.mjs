/**
 * Tree shaking. A module of src or shaders that `sideEffects` of package.json does not list only declares: a program that loads it and uses none of
 * its names is the same without it. So bundlers may leave out each declaration that nothing uses. They cannot see that where an expression is
 * evaluated, so the build marks these declarations as pure.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));

/** @typedef {typeof import('typescript')} Compiler */
/** @typedef {import('typescript').Node} Node */

/**
 * Whether `sideEffects` of package.json lists a file. Its patterns hold `*` and `**`.
 *
 * @param {string} path
 */
export function isListed(path) {
	const file = `./${relative(root, path).replaceAll('\\', '/')}`;
	return patterns().some((pattern) => pattern.test(file));
}

/** @type {RegExp[] | undefined} */
let listed;

function patterns() {
	listed ??= /** @type {{ sideEffects: string[] }} */ (
		JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
	).sideEffects.map(
		(glob) =>
			new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('**', '\0').replaceAll('*', '[^/]*').replaceAll('\0', '.*')}$`),
	);
	return listed;
}

/**
 * The statements of a module that do more than declare: they run code or load a module for its effects.
 *
 * @param {Compiler} ts
 * @param {string} path
 * @param {string} code
 * @returns {string[]}
 */
export function effectsIn(ts, path, code) {
	return ts
		.createSourceFile(path, code, ts.ScriptTarget.Latest, true)
		.statements.filter((statement) => {
			if (ts.isImportDeclaration(statement)) return statement.importClause === undefined;
			return !(
				ts.isExportDeclaration(statement) ||
				ts.isExportAssignment(statement) ||
				ts.isVariableStatement(statement) ||
				ts.isFunctionDeclaration(statement) ||
				ts.isClassDeclaration(statement) ||
				ts.isInterfaceDeclaration(statement) ||
				ts.isTypeAliasDeclaration(statement) ||
				ts.isModuleDeclaration(statement)
			);
		})
		.map((statement) => statement.getText().split('\n')[0] ?? '');
}

/**
 * Marks the declarations of a module that evaluate something as pure.
 *
 * @param {Compiler} ts
 * @param {string} path
 * @param {string} code
 */
export function withPureDeclarations(ts, path, code) {
	/** @type {{ at: number, text: string, end?: number }[]} */
	const edits = [];
	/** @param {import('typescript').Expression} value */
	const mark = (value) => {
		const isPlainCall = (ts.isCallExpression(value) || ts.isNewExpression(value)) && (value.arguments ?? []).every(isPlain);
		if (isPlainCall) edits.push({ at: value.getStart(), text: '/* @__PURE__ */ ' });
		else edits.push({ at: value.getStart(), text: '/* @__PURE__ */ (() => (' }, { at: value.end, text: '))()' });
	};
	/**
	 * Whether bundlers see by themselves that evaluating a node has no effect, or it is so small that it may stay.
	 *
	 * @type {(node: Node) => boolean}
	 */
	const isPlain = (node) => {
		if (ts.isFunctionLike(node) || ts.isTypeNode(node))
			return !ts.isMethodDeclaration(node) || !ts.isComputedPropertyName(node.name);
		if (ts.isTemplateExpression(node) || ts.isSpreadAssignment(node) || ts.isSpreadElement(node)) return false;
		if (ts.isCallExpression(node) || ts.isNewExpression(node) || ts.isTaggedTemplateExpression(node)) return false;
		return ts.forEachChild(node, (child) => (isPlain(child) ? undefined : true)) !== true;
	};
	for (const statement of ts.createSourceFile(path, code, ts.ScriptTarget.Latest, true).statements) {
		if (ts.isVariableStatement(statement)) {
			for (const { initializer, name } of statement.declarationList.declarations) {
				if (initializer !== undefined && ts.isIdentifier(name) && !isPlain(initializer)) mark(initializer);
			}
		} else if (ts.isClassDeclaration(statement) && statement.name !== undefined) {
			const base = statement.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)?.types[0]?.expression;
			if (statement.members.every(isPlainMember(ts, isPlain))) {
				if (base !== undefined && !isPlain(base)) mark(base);
				continue;
			}
			const start = statement.getStart();
			const isExported = statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
			const name = statement.name.text;
			edits.push(
				{
					at: start,
					text: `${isExported ? 'export ' : ''}const ${name} = /* @__PURE__ */ (() => { `,
					end: start + (isExported ? 'export '.length : 0),
				},
				// Within the function, bundlers may rename the class.
				{ at: statement.members.pos, text: ` static name = '${name}';` },
				{ at: statement.end, text: ` return ${name}; })();` },
			);
		}
	}
	let result = '';
	let copied = 0;
	for (const { at, text, end = at } of edits.sort((a, b) => a.at - b.at)) {
		result += code.slice(copied, at) + text;
		copied = end;
	}
	return result + code.slice(copied);
}

/**
 * Whether the definition of a member of a class evaluates nothing.
 *
 * @param {Compiler} ts
 * @param {(node: Node) => boolean} isPlain
 * @returns {(member: import('typescript').ClassElement) => boolean}
 */
function isPlainMember(ts, isPlain) {
	return (member) => {
		if (ts.isClassStaticBlockDeclaration(member)) return false;
		// Bundlers know the symbols of the language, such as Symbol.iterator.
		if (member.name !== undefined && ts.isComputedPropertyName(member.name) && !isPlain(member.name.expression)) return false;
		const isStatic =
			ts.canHaveModifiers(member) && ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword);
		if (!isStatic || !ts.isPropertyDeclaration(member)) return true;
		return member.initializer === undefined || isPlain(member.initializer);
	};
}
