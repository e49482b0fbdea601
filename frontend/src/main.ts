// The dashboard's scripts. Pages come complete from the server; this keeps them live.
import "./htmx";
import "htmx.org/dist/ext/hx-sse.js";
import "./upsert";
import { prepareComposer } from "./composer";
import { restInBackground, tellOfChanges, watchConnection } from "./connection";
import { prepareButtons } from "./copy";
import { listenToKeys } from "./keys";
import { keepPlace } from "./scroll";
import { prepareTheme } from "./theme";
import { keepTime } from "./time";

document.documentElement.classList.add("scripted");
prepareTheme();
prepareComposer();
watchConnection();
restInBackground();
tellOfChanges();
prepareButtons();
listenToKeys();
keepPlace();
keepTime();
