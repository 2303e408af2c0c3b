import { render } from "preact";
import { Page } from "./page";
import { start } from "./store";
import "./style/base.css";
import "./style/parts.css";
import "./style/views.css";

render(<Page />, document.getElementById("page")!);
void start();
