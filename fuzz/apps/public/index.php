<?php

// The worker script of the target `connection`; it is never run.
