/** The page: adapts a small GPT to the visitor's own text by low-rank adapters. */
import { chooseDevice, download, showProgress, startPage } from '../page';
import '../gpt/page.css';
import './page.css';
import { showPhase, showSizes } from './form';
import { Session } from './session';

await startPage(showPhase, async () => {
	const { device, kind } = await chooseDevice(showPhase);
	showSizes(kind);
	showProgress(0, 'the text of Moby Dick');
	const text = await (await download('../gpt/moby-dick.txt')).text();
	showProgress(0, '');
	await new Session(device, text).open();
});
