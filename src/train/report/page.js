// Draws the charts of a report with uPlot, which the page loads before this script.
(() => {
	/** @typedef {{ label: string, values: (number | null)[] }} Curve */
	/** @type {{ epochs: number[], charts: { title: string, logarithmic: boolean, curves: Curve[] }[] }} */
	const data = JSON.parse(/** @type {HTMLElement} */ (document.getElementById('curves')).textContent ?? '');
	const { uPlot } = /** @type {{ uPlot: typeof import('uplot') }} */ (/** @type {unknown} */ (window));
	const HEIGHT = 260;
	/** @type {{ plot: import('uplot'), host: HTMLElement }[]} */
	let drawn = [];

	/** @param {string} name */
	const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

	/** @param {number | null | undefined} value */
	const shown = (value) => (value == null ? '–' : String(Number(value.toPrecision(5))));

	/**
	 * @param {HTMLElement} host
	 * @param {(typeof data.charts)[number]} chart
	 */
	function draw(host, chart) {
		const axis = { stroke: color('--quiet'), grid: { stroke: color('--line'), width: 1 }, ticks: { stroke: color('--line') } };
		/** @type {import('uplot').Options} */
		const options = {
			width: Math.max(host.clientWidth, 240),
			height: HEIGHT,
			scales: { x: { time: false }, y: chart.logarithmic ? { distr: 3 } : {} },
			axes: [
				{ ...axis, label: 'epoch', labelSize: 20, size: 36, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
				{ ...axis, size: 64 },
			],
			series: [
				{ label: 'epoch' },
				...chart.curves.map(({ label }, i) => ({
					label,
					stroke: color(`--curve-${i % 4}`),
					width: 2,
					dash: i % 2 === 1 ? [6, 4] : [],
					points: { show: data.epochs.length <= 30, size: 5 },
					value: (/** @type {unknown} */ _, /** @type {number | null} */ value) => shown(value),
				})),
			],
		};
		const plot = new uPlot(options, [data.epochs, ...chart.curves.map(({ values }) => values)], host);
		drawn.push({ plot, host });
	}

	function drawAll() {
		for (const { plot } of drawn) plot.destroy();
		drawn = [];
		for (const host of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.plot'))) {
			const chart = data.charts[Number(host.dataset.chart)];
			if (chart !== undefined) draw(host, chart);
		}
	}

	/**
	 * Arrow keys move over the epochs of a chart and announce its values.
	 *
	 * @param {HTMLElement} host
	 */
	function walkWithKeys(host) {
		let place = -1;
		const last = data.epochs.length - 1;
		host.addEventListener('keydown', (event) => {
			const next = { ArrowLeft: Math.max(place - 1, 0), ArrowRight: Math.min(place + 1, last), Home: 0, End: last }[event.key];
			const plot = drawn.find((each) => each.host === host)?.plot;
			const chart = data.charts[Number(host.dataset.chart)];
			if (next === undefined || plot === undefined || chart === undefined) return;
			event.preventDefault();
			place = next;
			plot.setCursor({ left: plot.valToPos(data.epochs[place] ?? 0, 'x'), top: plot.over.clientHeight / 2 });
			const values = chart.curves.map(({ label, values }) => `${label} ${shown(values[place])}`);
			const reading = host.parentElement?.querySelector('.reading');
			if (reading) reading.textContent = `Epoch ${data.epochs[place]}: ${values.join(', ')}`;
		});
	}

	drawAll();
	for (const host of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.plot'))) walkWithKeys(host);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
	new ResizeObserver(() => {
		for (const { plot, host } of drawn) {
			const width = Math.max(host.clientWidth, 240);
			if (width !== plot.width) plot.setSize({ width, height: HEIGHT });
		}
	}).observe(document.body);

	// In print: light colours, and all sections open.
	/** @type {HTMLDetailsElement[]} */
	let opened = [];
	addEventListener('beforeprint', () => {
		document.documentElement.classList.add('printing');
		opened = [.../** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll('details:not([open])'))];
		for (const details of opened) details.open = true;
		drawAll();
	});
	addEventListener('afterprint', () => {
		document.documentElement.classList.remove('printing');
		for (const details of opened) details.open = false;
		drawAll();
	});
})();
