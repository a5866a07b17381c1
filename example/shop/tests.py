"""The shop's own tests, as a site writes them: the model is played, everything else is real.

python manage.py test example --settings example.settings
"""

from django.test import TestCase, TransactionTestCase, override_settings

from chat.testing import ChatTestMixin, Visitors, assert_tool_called, assert_tool_not_called
from example.demonstration import lost, scene_of

from .assistants import Support
from .models import Customer, Order, Page


class SupportTests(ChatTestMixin, TransactionTestCase):
    fixtures = ("shop",)

    def setUp(self) -> None:
        self.ada = Customer.objects.get(name="Ada")
        self.ben = Customer.objects.get(name="Ben")

    def test_a_customer_hears_of_their_own_orders(self) -> None:
        self.script.will_call("orders", status="open")
        self.script.will_say("Order 1042 is open.")
        self.visitor("support", user=self.ada).ask("What is open?").expect_text("1042 is open")
        call = assert_tool_called("orders", status="open")
        self.assertEqual([each["number"] for each in call.output or ()], ["1042"])

    def test_a_visitor_without_an_account_has_no_orders(self) -> None:
        self.script.will_call("orders")
        self.script.will_say("Please sign in.")
        self.visitor("support").ask("What have I ordered?").expect_text("Please sign in.")
        self.assertEqual(assert_tool_called("orders").error, "The visitor has not signed in.")

    def test_the_order_of_another_customer_is_refused(self) -> None:
        order = self.ada.orders.get(number="1038")
        visitor = self.visitor("support", user=self.ben, about=order)
        visitor.ask("Where is it?").expect_refused("forbidden")
        self.script.will_call("parcel", number="1038")
        self.script.will_say("No such parcel.")
        self.visitor("support", user=self.ben).ask("Where is 1038?").expect_status()
        self.assertEqual(assert_tool_called("parcel").error, "No parcel is under way for the order 1038.")

    def test_the_model_is_told_which_order_a_conversation_is_about(self) -> None:
        self.script.will_say("Of course.")
        order = self.ada.orders.get(number="1042")
        self.visitor("support", user=self.ada, about=order).ask("Is it open?").expect_status()
        self.assertIn("about order 1042.", self.script.requests[0].messages[0]["content"])

    def test_an_order_that_was_sent_is_not_cancelled(self) -> None:
        self.script.will_call("cancel", number="1038")
        self.script.will_say("That is too late.")
        visitor = self.visitor("support", user=self.ada).ask("Cancel 1038!").expect_status("waiting")
        visitor.decide(True).expect_text("too late").expect_status()
        self.assertEqual(Order.objects.get(number="1038").status, Order.Status.SENT)

    def test_an_answer_that_was_stopped_calls_nothing_more(self) -> None:
        self.script.will_say("Let ", "me ", "think", finish=False)
        self.visitor("support", user=self.ada).ask("Cancel 1042!").stop_after(2).expect_status("stopped")
        assert_tool_not_called("cancel")


@override_settings(
    CHAT={"BACKENDS": {"default": {"BACKEND": "example.demonstration.Demonstration", "OPTIONS": {"pause": 0}}}}
)
class DemonstrationTests(TransactionTestCase):
    """The scripted demonstration plays the model: it must fit the shop's tools."""

    fixtures = ("shop",)

    def setUp(self) -> None:
        self.ada = Customer.objects.get(name="Ada")
        self.visitors = Visitors()
        self.addCleanup(self.visitors.close)

    def test_each_starter_has_a_scene(self) -> None:
        for starter in Support.starters:
            self.assertIsNot(scene_of(str(starter.text)), lost, starter.text)
        self.visitors("support").ask("Hm?").expect_text("only know a few questions").expect_status()

    def test_orders_are_listed(self) -> None:
        visitor = self.visitors("support", user=self.ada).ask("What have I ordered?")
        visitor.expect_text("- **1042**, 143.50 €, is open").expect_status()
        self.client.force_login(self.ada)
        self.assertContains(self.client.get("/help/"), 'name="call" value="press ', 1)

    def test_a_parcel_is_found_in_two_steps(self) -> None:
        visitor = self.visitors("support", user=self.ada).ask("Where is my parcel?")
        visitor.expect_text("order **1038** is in **Lyon**").expect_status()
        assert_tool_called("orders", status="sent")
        assert_tool_called("parcel", number="1038")

    def test_the_order_of_the_page_is_cancelled(self) -> None:
        order = self.ada.orders.get(number="1042")
        visitor = self.visitors("support", user=self.ada, about=order).ask("Please cancel it.").expect_status("waiting")
        self.assertEqual(Order.objects.get(number="1042").status, Order.Status.OPEN)
        visitor.decide(True).expect_text("your order is cancelled").expect_status()
        self.assertEqual(Order.objects.get(number="1042").status, Order.Status.CANCELLED)
        visitor.ask("Please cancel it.").decide(True).expect_text("no open order 1042").expect_status()

    def test_an_order_that_the_customer_keeps_stays_open(self) -> None:
        visitor = self.visitors("support", user=self.ada).ask("Please cancel my open order.")
        visitor.decide(False, reason="I want it.").expect_text("stays as it is").expect_status()
        self.assertEqual(Order.objects.get(number="1042").status, Order.Status.OPEN)

    def test_the_manual_is_quoted(self) -> None:
        visitor = self.visitors("support").ask("How do I adjust the brakes?")
        visitor.expect_text("**Adjusting the brakes** [1]").expect_text("5 mm Allen key").expect_status()
        visitor.ask("How do I repair a spaceship?").expect_text("no page about that").expect_status()

    def test_visitors_without_an_account_are_asked_to_sign_in(self) -> None:
        for starter in Support.starters[:3]:
            self.visitors("support").ask(str(starter.text)).expect_text("[signed in](/sign-in/)").expect_status()

    def test_a_customer_without_orders(self) -> None:
        carl = Customer.objects.create_user("carl@shop.example", "secret", name="Carl")
        for starter, expected in zip(Support.starters[:3], ("not ordered", "No parcel", "no open order"), strict=True):
            self.visitors("support", user=carl).ask(str(starter.text)).expect_text(expected).expect_status()


class PageTests(TestCase):
    fixtures = ("shop",)

    def test_the_totals_of_the_orders_are_those_of_their_lines(self) -> None:
        for order in Order.objects.prefetch_related("lines__product"):
            self.assertEqual(order.total, sum(line.price for line in order.lines.all()), order)

    def test_the_manual_is_searched_by_the_longer_words(self) -> None:
        found = Page.objects.search("How do I get my brakes right?")
        self.assertEqual(found[0].title, "Adjusting the brakes")
        self.assertEqual(list(Page.objects.search("is it so")), [])

    def test_everybody_sees_what_is_sold_and_the_manual(self) -> None:
        self.assertContains(self.client.get("/"), "Tourer")
        self.assertContains(self.client.get("/manual/"), "Changing a tube")
        self.assertContains(self.client.get("/manual/tube/"), "levers pinch")
        self.assertContains(self.client.get("/help/", headers={"accept": "text/html"}), 'assistant="support"')

    def test_a_customer_signs_in_with_what_the_page_shows_and_sees_their_orders(self) -> None:
        self.assertContains(self.client.get("/sign-in/"), "ride-a-bike")
        self.assertRedirects(self.client.get("/orders/"), "/sign-in/?next=/orders/")
        response = self.client.post("/sign-in/", {"username": "ada@shop.example", "password": "ride-a-bike"})
        self.assertRedirects(response, "/orders/")
        self.assertContains(self.client.get("/orders/"), "1042")
        self.assertContains(self.client.get("/orders/1042/"), 'assistant="support"')
        self.assertEqual(self.client.get("/orders/1040/").status_code, 404)

    def test_the_demonstration_is_marked_as_such(self) -> None:
        with self.settings(IS_SCRIPTED=True):
            self.assertContains(self.client.get("/help/"), "This is a scripted demonstration")
        with self.settings(IS_SCRIPTED=False):
            self.assertNotContains(self.client.get("/help/"), "This is a scripted demonstration")
