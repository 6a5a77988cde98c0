/** The page: trains the GPT of `npm run gpt` in the browser and generates text at the same time. */
import { chooseDevice, download, showProgress, startPage } from '../page';
import './page.css';
import { showPhase, showSettings } from './controls';
import { Session } from './session';
import { DEFAULTS } from './settings';

showSettings(DEFAULTS);
await startPage(showPhase, async () => {
	const { device, kind } = await chooseDevice(showPhase);
	if (kind === 'cpu') showSettings({ layers: 1, width: 32, heads: 2, context: 32, batchSize: 4, steps: 200 });
	showProgress(0, 'the text of Moby Dick');
	new Session(device, await (await download('moby-dick.txt')).text());
});
