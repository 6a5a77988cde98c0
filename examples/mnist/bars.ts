/** Ten bars that show the probabilities of the digits. */

export class ProbabilityBars {
	readonly #rows: readonly { item: HTMLElement; fill: HTMLElement; value: HTMLDataElement }[];

	constructor(list: HTMLElement) {
		this.#rows = Array.from({ length: 10 }, (_, digit) => {
			const item = document.createElement('li');
			const name = document.createElement('span');
			name.className = 'digit';
			name.textContent = String(digit);
			const track = document.createElement('span');
			track.className = 'track';
			const fill = document.createElement('span');
			fill.className = 'fill';
			const value = document.createElement('data');
			track.append(fill);
			item.append(name, track, value);
			list.append(item);
			return { item, fill, value };
		});
		this.show(null);
	}

	/** Shows ten probabilities, or none for null. Returns the most probable digit. */
	show(probabilities: ArrayLike<number> | null): number | null {
		const values = probabilities === null ? null : Array.from(probabilities);
		const best = values === null ? null : values.indexOf(Math.max(...values));
		this.#rows.forEach(({ item, fill, value }, digit) => {
			const probability = values?.[digit] ?? null;
			item.classList.toggle('best', digit === best);
			fill.style.transform = `scaleX(${probability ?? 0})`;
			value.value = probability === null ? '' : String(probability);
			value.textContent = probability === null ? '–' : `${(100 * probability).toFixed(1)} %`;
		});
		return best;
	}
}
