"""A mixin for test cases of ``unittest`` and Django."""

from typing import TYPE_CHECKING, Unpack
from unittest import TestCase, TestResult

from ..assistants.discovery import DEFAULT
from ..backends.scripted import Script
from ..engine import background
from .scripted import scripted_model
from .visitor import Options, Visitor
from .visitors import Visitors

if TYPE_CHECKING:
    Base = TestCase
else:
    Base = object


class ChatTestMixin(Base):
    """Lets each test of a case play the model, and visit the site.

    Put it before the test case: ``class SupportTests(ChatTestMixin, TransactionTestCase)``. Without visitors, any test
    case will do.
    """

    script: Script
    """The script by which the test plays all models of the site."""

    def run(self, result: TestResult | None = None) -> TestResult | None:
        """Run the test while the script takes the place of all models."""
        with scripted_model() as self.script:
            self._visitors = Visitors(self.script)
            try:
                found: TestResult | None = super().run(result)
            finally:
                background.close()  # what the test has asked by the Python API; before the database is emptied
            return found

    def visitor(self, assistant: str = DEFAULT, **options: Unpack[Options]) -> Visitor:
        """Return a new visitor, who leaves at the end of the test. The arguments are those of ``Visitors``."""
        self.addCleanup(self._visitors.close)
        return self._visitors(assistant, **options)
