/** Renders the confusion matrix as a heat map, and the scores of each class. */
import { ArgumentError } from '../../core/errors';
import { formatNumber, formatPercent, type Html, html } from './html';

/** The scores of one class. 0 / 0 is NaN. */
interface ClassScores {
	readonly precision: number;
	readonly recall: number;
	readonly f1: number;
	readonly support: number;
}

/** Precision, recall, F1 and support of each class; rows are the true classes. */
function classScores(matrix: readonly (readonly number[])[]): ClassScores[] {
	return matrix.map((row, k) => {
		const hits = row[k]!;
		const support = sum(row);
		const precision = hits / sum(matrix.map((other) => other[k]!));
		const recall = hits / support;
		const f1 = (2 * hits) / (support + sum(matrix.map((other) => other[k]!)));
		return { precision, recall, f1, support };
	});
}

export function requireMatrix(matrix: readonly (readonly number[])[], classNames: readonly string[] | undefined): void {
	const classes = matrix.length;
	const square = matrix.every((row) => Array.isArray(row) && row.length === classes);
	if (!square || !matrix.flat().every((count) => Number.isFinite(count) && count >= 0))
		throw new ArgumentError(
			'htmlReport: confusionMatrix must be a square array of arrays of counts, with true classes as rows, as computed by metrics.ConfusionMatrix',
		);
	if (classNames !== undefined && classNames.length !== classes)
		throw new ArgumentError(`htmlReport: ${classNames.length} classNames for a confusion matrix of ${classes} classes`);
}

export function confusionSection(matrix: readonly (readonly number[])[], classNames?: readonly string[]): Html {
	const names = classNames ?? matrix.map((_, k) => String(k));
	const scores = classScores(matrix);
	const total = sum(matrix.flat());
	const accuracy = sum(matrix.map((row, k) => row[k]!)) / total;
	// As scikit-learn's macro averages: a class that was never predicted has precision 0.
	const mean = (values: readonly number[]) => sum(values.map((value) => value || 0)) / values.length;
	return html`<section aria-labelledby="confusion">
<h2 id="confusion">Confusion matrix</h2>
<p>Accuracy ${formatPercent(accuracy)} of ${formatNumber(total)} samples. Rows are the true classes, columns the predicted ones; colour is a count's share of its row.</p>
<div class="scroll" role="region" aria-label="Confusion matrix" tabindex="0">
<table class="heat">
<caption>Samples by true class (rows) and predicted class (columns)</caption>
<thead><tr><td></td>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${matrix.map((row, k) => {
	const support = scores[k]!.support;
	return html`<tr><th scope="row">${names[k]}</th>${row.map((count, column) => cell(count, support, column === k))}</tr>
`;
})}</tbody>
</table>
</div>
<div class="scroll" role="region" aria-label="Scores by class" tabindex="0">
<table>
<caption>Scores by class</caption>
<thead><tr><th scope="col">Class</th><th scope="col">Precision</th><th scope="col">Recall</th><th scope="col">F1</th><th scope="col">Samples</th></tr></thead>
<tbody>
${scores.map((score, k) => scoreRow(names[k]!, score))}</tbody>
<tfoot>${scoreRow('Mean of the classes', {
		precision: mean(scores.map(({ precision }) => precision)),
		recall: mean(scores.map(({ recall }) => recall)),
		f1: mean(scores.map(({ f1 }) => f1)),
		support: total,
	})}</tfoot>
</table>
</div>
</section>`;
}

function cell(count: number, support: number, right: boolean): Html {
	const share = support > 0 ? count / support : 0;
	const kind = right ? 'right' : 'wrong';
	return html`<td class="${kind}" style="--share:${share.toFixed(3)}" title="${formatPercent(share)} of the row">${formatNumber(count)}</td>`;
}

function scoreRow(name: string, { precision, recall, f1, support }: ClassScores): Html {
	const shares = [precision, recall, f1].map((share) => html`<td>${formatPercent(share)}</td>`);
	return html`<tr><th scope="row">${name}</th>${shares}<td>${formatNumber(support)}</td></tr>
`;
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}
