/** Shows a report of the doctor in the page's tables. */
import { type DoctorReport, facts, rateOf } from '../../bench/doctor/report';
import { element } from '../page';

function cells(...texts: readonly string[]): HTMLTableRowElement {
	const row = document.createElement('tr');
	for (const text of texts) row.insertCell().textContent = text;
	return row;
}

/** The counts of a kernel over all of its variants. */
function byKernel(
	variants: DoctorReport['correctness']['variants'],
): Map<string, [variants: number, right: number, wrong: number]> {
	const kernels = new Map<string, [number, number, number]>();
	for (const { variant, passed, failed } of variants) {
		const name = variant.replace(/\{.*/, '');
		const [count, right, wrong] = kernels.get(name) ?? [0, 0, 0];
		kernels.set(name, [count + 1, right + passed, wrong + failed]);
	}
	return kernels;
}

export function showReport(report: DoctorReport): void {
	const { correctness, speed } = report;
	const list = element('facts', HTMLElement);
	list.replaceChildren();
	for (const [name, value] of Object.entries(facts(report))) {
		list.append(Object.assign(document.createElement('dt'), { textContent: name }));
		list.append(Object.assign(document.createElement('dd'), { textContent: value }));
	}
	element('kernels', HTMLTableSectionElement).replaceChildren(
		...[...byKernel(correctness.variants)].map(([name, counts]) => cells(name, ...counts.map(String))),
	);
	element('wrong', HTMLElement).hidden = correctness.failures.length === 0;
	element('failures', HTMLUListElement).replaceChildren(
		...correctness.failures.slice(0, 50).map(({ operation, sample, precision, form, message, suspects }) => {
			const item = document.createElement('li');
			const title = document.createElement('strong');
			title.textContent = `${operation} (${sample}) in ${precision}, ${form}`;
			const kernels = document.createElement('code');
			kernels.textContent = suspects.join(', ');
			item.append(title, document.createElement('br'), message, document.createElement('br'), kernels);
			return item;
		}),
	);
	element('speed', HTMLTableElement).hidden = speed === null;
	if (speed === null) return;
	const { roofline, cases, errors } = speed;
	element('roofline', HTMLElement).textContent =
		`Roofline: ${roofline.gflops.toFixed(1)} GFLOP/s multiply-add, ${roofline.gbps.toFixed(1)} GB/s copy. ${errors.join(' ')}`;
	element('cases', HTMLTableSectionElement).replaceChildren(
		...cases.map((result) => cells(result.name, result.webgpu.median.toFixed(2), ...rateOf(result))),
	);
}
